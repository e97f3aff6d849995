"""Delays, dead bands, ties and restarts: when a condition stood, by the device's clock."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.alarms.conditions import RESTART_GRACE_MS, Edge, EdgeKind, follow
from cloud.alarms.definitions import load
from cloud.alarms.fold import Given, Start, tell, union
from tests.cloud.alarms.happening import HOUR

PLAIN = load().find("rack.alarm", "rack_alarms.2")
SLOW = PLAIN.model_copy(update={"on_delay_s": 5.0, "off_delay_s": 3.0})
ON, OFF, RESTARTED = EdgeKind.APPEARED, EdgeKind.CLEARED, EdgeKind.RESTARTED


def edges(*told: tuple[int, EdgeKind]):
    return [Edge(at, kind, f"e{i}", received_ms=at) for i, (at, kind) in enumerate(told)]


def stood(told, rule, now=HOUR):
    return [(p.raised_ms, p.returned_ms) for p in follow(told, rule, now).periods]


@pytest.mark.parametrize(
    ("told", "rule", "expected"),
    [
        # without delays
        ([(0, ON)], PLAIN, [(0, None)]),
        ([(0, ON), (10, OFF)], PLAIN, [(0, 10)]),
        ([(10, OFF)], PLAIN, []),
        ([(0, ON), (5, ON), (10, OFF), (12, OFF)], PLAIN, [(0, 10)]),
        # on-delay: too short is none; exactly long enough is one
        ([(0, ON), (4_999, OFF)], SLOW, []),
        ([(0, ON), (5_000, OFF)], SLOW, [(5_000, 8_000)]),
        ([(0, ON), (4_000, OFF), (4_500, ON), (9_000, OFF)], SLOW, []),
        # off-delay: a short gap is none
        ([(0, ON), (9_000, OFF), (11_999, ON)], SLOW, [(5_000, None)]),
        ([(0, ON), (9_000, OFF), (12_000, ON)], SLOW, [(5_000, 12_000), (17_000, None)]),
        # of one millisecond: what was gone comes and goes, what stood goes and comes
        ([(0, ON), (0, OFF)], PLAIN, [(0, 0)]),
        ([(0, OFF), (0, ON)], PLAIN, [(0, 0)]),
        ([(0, ON), (7, OFF), (7, ON)], PLAIN, [(0, 7), (7, None)]),
        ([(0, ON), (7, ON), (7, OFF)], PLAIN, [(0, 7), (7, None)]),
    ],
)
def test_a_condition_stands_as_long_as_its_edges_and_delays_say(told, rule, expected):
    assert stood(edges(*told), rule) == expected
    assert stood(list(reversed(edges(*told))), rule) == expected


def test_a_delay_that_runs_is_due_and_ends_by_the_clock():
    told = edges((0, ON))

    assert follow(told, SLOW, 4_000).due_ms == 5_000
    assert stood(told, SLOW, now=4_000) == []
    assert stood(told, SLOW, now=5_000) == [(5_000, None)]
    assert follow(edges((0, ON), (9_000, OFF)), SLOW, 10_000).due_ms == 12_000


def test_a_value_within_the_dead_band_must_last_longer():
    hot = load().find("cell.temperature")
    near = Edge(0, ON, "e", 0, value=55.2, limit=55.0)
    clear = replace(near, value=56.0)

    assert stood([clear], hot) == [(2_000, None)]
    assert stood([near], hot) == [(30_000, None)]
    assert stood([replace(near, value=None)], hot) == [(2_000, None)]
    assert stood([near, Edge(20_000, OFF)], hot) == []


def test_what_is_only_told_to_have_happened_is_over_at_once():
    escalated = load().find("protection.escalated")

    assert stood(edges((5, ON), (9, ON), (20, OFF)), escalated) == [(5, 5), (9, 9)]


def test_a_restarted_controller_ends_what_it_does_not_tell_again():
    grace = RESTART_GRACE_MS
    gone = [Edge(0, ON, "a", 0), Edge(100, RESTARTED, "r", 100)]

    assert stood(gone, PLAIN) == [(0, 100 + grace)]
    assert stood([*gone, Edge(200, ON, "b", 200)], PLAIN) == [(0, None)]
    assert stood([*gone, Edge(200, OFF, "b", 200)], PLAIN) == [(0, 200)]


def test_a_latched_condition_that_is_told_again_with_its_old_time_stands_on():
    told = [Edge(0, ON, "a", 0), Edge(100, RESTARTED, "r", 100), Edge(0, ON, "b", 105)]

    assert stood(told, PLAIN) == [(0, None)]


KINDS = st.sampled_from([ON, OFF, ON, OFF, RESTARTED])
COURSES = st.lists(st.tuples(st.sampled_from(range(0, 40_000, 500)), KINDS), max_size=14)


@settings(max_examples=300, deadline=None)
@given(COURSES, st.randoms(), st.sampled_from([PLAIN, SLOW]))
def test_the_order_in_which_edges_are_known_changes_nothing(told, random_, rule):
    course = edges(*told)
    shuffled = list(course)
    random_.shuffle(shuffled)

    assert follow(shuffled, rule, HOUR) == follow(course, rule, HOUR)


@settings(max_examples=300, deadline=None)
@given(COURSES, st.sampled_from([PLAIN, SLOW]))
def test_a_history_told_from_any_mark_goes_on_as_the_whole_one(told, rule):
    course = edges(*told)
    whole = tell(Given(rule, Start(), course), HOUR)

    for one in whole.occurrences:
        if one.before is not None:
            begin = Start(one.period.onset_ms, one.before)
            since = [edge for edge in course if edge.at_ms >= begin.at_ms]
            part = tell(Given(rule, begin, since), HOUR)
            assert part.life == whole.life
            assert part.journal == tuple(r for r in whole.journal if r.at_ms >= begin.at_ms)
            assert part.occurrences == tuple(
                o for o in whole.occurrences if o.period.onset_ms >= begin.at_ms
            )


@given(st.lists(st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 30)))))
def test_joined_spans_cover_the_same_moments_and_do_not_touch(spans):
    joined = union(spans)

    def covers(found, at):
        return any(begin <= at and (end is None or at < end) for begin, end in found)

    assert all(covers(spans, at) == covers(joined, at) for at in range(40))
    for (_, end), (begin, _) in pairwise(joined):
        assert end is not None
        assert end < begin
