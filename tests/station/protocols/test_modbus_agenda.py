"""What a line asks next, played through with a clock of its own."""

import math
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.protocols.modbus.agenda import PATIENCE_S, Agenda, Errand

EPOCH_S = 1_700_000_000.0


def errand(name, period_s=1.0, *, phase_s=0.25, offset_s=0.0, timeout_s=0.5) -> Errand[str]:
    return Errand(name, period_s, phase_s, offset_s, timeout_s)


def play(errands, for_s, cost_s, *, cost_of_doubt_s=0.5, begin_s=EPOCH_S, doubtful=()):
    """Ask one after another; return when each was asked, in seconds from the beginning."""
    now_s, asked = begin_s, defaultdict(list)
    agenda = Agenda(errands, now_s)
    while now_s < begin_s + for_s:
        one = agenda.take(now_s)
        if one is None:
            now_s += max(0.01, agenda.wait_s(now_s))
            continue
        asked[one.what].append(round(now_s - begin_s, 3))
        one.doubtful = one.what in doubtful
        now_s += cost_of_doubt_s if one.doubtful else cost_s
        agenda.done(one, now_s)
    return asked


rhythms = st.lists(
    st.builds(
        lambda period_s, phase, offset_s: (period_s, phase * period_s, offset_s),
        st.sampled_from([0.2, 0.5, 1.0, 2.0, 5.0]),
        st.floats(0.0, 0.5),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(rhythms, st.floats(0.001, 0.4), st.floats(0.0, 5.0))
def test_nobody_starves_however_overloaded_the_line_is(wanted, cost_s, begins_after_s):
    errands = [
        errand(str(number), period_s, phase_s=phase_s, offset_s=offset_s)
        for number, (period_s, phase_s, offset_s) in enumerate(wanted)
    ]

    asked = play(errands, 60.0, cost_s, begin_s=EPOCH_S + begins_after_s)

    for one in errands:
        times = [0.0, *asked[one.what], 60.0]
        longest = max(later - earlier for earlier, later in pairwise(times))
        # At most two periods to the next tick in question, one more to the deadline, and then
        # only those whose deadlines are as old come before.
        assert longest <= 3 * one.period_s + one.phase_s + (len(errands) + 1) * cost_s + 0.01


@settings(max_examples=30, deadline=None)
@given(rhythms, st.floats(0.001, 0.05), st.integers(1, 3))
def test_silent_devices_are_asked_again_and_again_and_starve_nobody(wanted, cost_s, silent):
    sound = [
        errand(str(number), period_s, phase_s=phase_s, offset_s=offset_s)
        for number, (period_s, phase_s, offset_s) in enumerate(wanted)
    ]
    dead = [errand(f"dead {number}") for number in range(silent)]

    asked = play([*sound, *dead], 60.0, cost_s, doubtful={one.what for one in dead})

    assert all(len(asked[one.what]) >= 60 / (6 + 3 * silent) for one in dead)
    for one in sound:
        times = [0.0, *asked[one.what], 60.0]
        longest = max(later - earlier for earlier, later in pairwise(times))
        assert longest <= 3 * one.period_s + one.phase_s + (len(sound) + 1) * cost_s + 2.0


def test_each_tick_is_asked_once_at_its_place_in_the_period():
    asked = play([errand("rack", phase_s=0.25)], 10.0, 0.01)

    assert asked["rack"] == [n + 0.25 for n in range(10)]


def test_slow_errands_lie_in_different_seconds_and_quick_ones_keep_theirs():
    errands = [errand("summary")]
    errands += [errand(f"cells {n}", 5.0, offset_s=float(n)) for n in range(5)]

    asked = play(errands, 30.0, 0.15)

    settled = {name: [t for t in times if t > 6] for name, times in asked.items()}
    assert settled["summary"] == [n + 0.25 for n in range(6, 30)]
    assert [math.floor(settled[f"cells {n}"][0]) % 5 for n in range(5)] == [
        math.floor(EPOCH_S + settled[f"cells {n}"][0]) % 5 for n in range(5)
    ]
    assert len({math.floor(settled[f"cells {n}"][0]) % 5 for n in range(5)}) == 5


def test_a_silent_device_is_asked_in_gaps_that_cost_no_neighbour_its_place():
    sound = [errand(f"rack {n}") for n in range(5)]
    dead = errand("dead")

    asked = play([*sound, dead], 20.0, 0.02, doubtful={"dead"})

    for number in range(5):
        late = [at % 1 for at in asked[f"rack {number}"] if at > 2]
        assert max(late) <= 0.25 + 5 * 0.02 + 0.001
    assert len(asked["dead"]) > 10


def test_where_no_gap_comes_a_silent_device_is_asked_all_the_same():
    sound = [errand(f"rack {n}") for n in range(5)]

    asked = play([*sound, errand("dead")], 30.0, 0.15, doubtful={"dead"})

    gaps = [b - a for a, b in pairwise(asked["dead"])]
    assert max(gaps) <= PATIENCE_S + 1.0 + 0.5 + 1.0


def test_a_device_whose_tick_is_late_is_asked_again_within_its_period_only():
    agenda = Agenda([one := errand("rack")], EPOCH_S)
    assert agenda.take(EPOCH_S + 0.3) is one

    agenda.done(one, EPOCH_S + 0.31, 0.1)
    assert agenda.take(EPOCH_S + 0.40) is None
    assert agenda.take(EPOCH_S + 0.42) is one
    agenda.done(one, EPOCH_S + 0.95, 0.1)

    assert agenda.take(EPOCH_S + 1.1) is None
    assert agenda.take(EPOCH_S + 1.3) is one


def test_a_period_that_went_by_unasked_is_counted_and_not_made_up_for():
    agenda = Agenda([one := errand("rack")], EPOCH_S)
    assert agenda.take(EPOCH_S + 0.3) is one
    agenda.done(one, EPOCH_S + 3.5)

    assert agenda.take(EPOCH_S + 3.5) is one

    assert (one.tick_s, one.missed) == (EPOCH_S + 3, 2)


def test_a_clock_that_is_set_begins_anew():
    agenda = Agenda([one := errand("rack")], EPOCH_S)

    assert agenda.take(EPOCH_S - 3600 + 0.3) is one
    agenda.done(one, EPOCH_S - 3600 + 0.31)
    assert agenda.take(EPOCH_S + 7200.3) is one

    assert one.tick_s == EPOCH_S + 7200
    assert one.missed == 0


@pytest.mark.parametrize("back_s", [5.0, 50.0, 3600.0])
def test_a_clock_that_is_set_back_keeps_nobody_waiting(back_s):
    sound, slow, asked, dead, failed = (
        errand("rack"), errand("cells", 5.0), errand("under way"), errand("dead"), errand("failed"),
    )  # fmt: skip
    errands = [sound, slow, asked, dead, failed]
    agenda = Agenda(errands, EPOCH_S)
    while (one := agenda.take(EPOCH_S + 0.3)) is not None:
        one.doubtful = one is dead
        if one in (dead, failed):
            one.rest_until_s = EPOCH_S + 3.0
        if one is not asked:
            agenda.done(one, EPOCH_S + 0.3)
    now_s = EPOCH_S + 0.3 - back_s
    agenda.done(asked, now_s)

    seen = defaultdict(list)
    while now_s < EPOCH_S + 5.5 - back_s:
        one = agenda.take(now_s)
        if one is None:
            now_s += max(0.01, agenda.wait_s(now_s))
            continue
        seen[one.what].append(now_s)
        now_s += 0.5 if one is dead else 0.01
        agenda.done(one, now_s)

    assert set(seen) == {one.what for one in errands}
    assert [len(seen[name]) >= 4 for name in ("rack", "under way", "failed")] == [True] * 3
    assert len(seen["dead"]) >= 2
    assert sum(one.missed for one in errands) <= 1


def test_a_clock_that_is_set_back_leaves_nobody_among_the_silent_behind():
    silent = [errand("one"), errand("other")]
    agenda = Agenda(silent, EPOCH_S)
    asked = []
    now_s = EPOCH_S
    for begin_s in (EPOCH_S, EPOCH_S - 3600):
        asked.clear()
        now_s = begin_s
        while now_s < begin_s + 6:
            one = agenda.take(now_s)
            if one is None:
                now_s += max(0.01, agenda.wait_s(now_s))
                continue
            asked.append(one.what)
            one.doubtful = True
            now_s += 0.5
            agenda.done(one, now_s, 0.0)

    assert {asked.count("one"), asked.count("other")} == {6}


def test_small_steps_back_do_not_add_up():
    agenda = Agenda([one := errand("rack")], EPOCH_S)
    assert agenda.take(EPOCH_S + 0.3) is one
    agenda.done(one, EPOCH_S + 0.3)

    for step in range(1, 9):
        agenda.wait_s(EPOCH_S + 0.3 - 0.9 * step)

    assert one.from_s <= EPOCH_S + 0.3 - 0.9 * 8 + 2


def test_a_silent_device_that_answers_is_asked_like_the_others_again():
    sound, dead = errand("rack"), errand("dead")
    agenda = Agenda([sound, dead], EPOCH_S)
    for _ in range(2):
        one = agenda.take(EPOCH_S + 0.3)
        one.doubtful = one is dead
        agenda.done(one, EPOCH_S + 0.3)
    assert agenda.take(EPOCH_S + 1.3) is sound
    assert agenda.take(EPOCH_S + 1.3) is dead
    dead.doubtful = False
    agenda.done(dead, EPOCH_S + 1.3)
    agenda.done(sound, EPOCH_S + 1.3)

    taken = {agenda.take(EPOCH_S + 2.3).what, agenda.take(EPOCH_S + 2.3).what}

    assert taken == {"rack", "dead"}


def test_one_that_was_given_up_for_its_neighbours_is_asked_again_once_none_of_them_is_due():
    slow, others = errand("slow"), [errand(f"rack {n}") for n in range(2)]
    agenda = Agenda([slow, *others], EPOCH_S)
    assert agenda.take(EPOCH_S + 0.3) is slow
    slow.doubtful = slow.spared = True
    agenda.done(slow, EPOCH_S + 0.35, 0.0)

    after = [agenda.take(EPOCH_S + 0.35) for _ in range(3)]

    assert after == [*others, slow]
    assert agenda.take(EPOCH_S + 0.35) is None
