from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.arbiter import arbitrate
from station.dispatch.handover import HandoverMemory, HandoverSettings, hand_over
from station.dispatch.proposal import Bounds, Proposal, Source

RATE = HandoverSettings(rate_kw_per_s=100.0)
BOUNDS = Bounds(-1000.0, 1000.0)


def wish(source: Source, kw: float) -> Proposal:
    return Proposal.definite(source, "x", kw)


def course(steps: list[list[Proposal]], bounds: list[Bounds] | None = None) -> list[float]:
    memory, powers = HandoverMemory(), []
    for second, asked in enumerate(steps):
        decision = arbitrate(bounds[second] if bounds else BOUNDS, asked)
        handed, memory = hand_over(RATE, memory, decision, 1000 * second)
        powers.append(handed.power_kw)
    return powers


def test_another_source_takes_over_along_the_ramp_without_a_jump():
    powers = course([[wish(Source.SCHEDULE, 400)]] + [[wish(Source.MANUAL, -100)]] * 7)

    assert powers == [400, 300, 200, 100, 0, -100, -100, -100]


def test_the_same_source_changes_its_wish_at_once():
    assert course([[wish(Source.SCHEDULE, 400)], [wish(Source.SCHEDULE, -400)]]) == [400, -400]


def test_the_first_decision_is_followed_at_once():
    assert course([[wish(Source.SCHEDULE, 800)]]) == [800]


def test_changes_of_the_new_source_pass_through_while_the_difference_wears_off():
    steps = [[wish(Source.SCHEDULE, 400)]]
    steps += [[wish(Source.AGC, kw)] for kw in (0, 50, 50, 50, 50)]

    assert course(steps) == [400, 300, 250, 150, 50, 50]


def test_frequency_response_is_never_slowed():
    response = Proposal(Source.PRIMARY_FREQUENCY, "METER", shift_kw=500)
    steps = [
        [wish(Source.SCHEDULE, 400)],
        [wish(Source.MANUAL, 0)],
        [wish(Source.MANUAL, 0), response],
        [wish(Source.MANUAL, 0)],
    ]

    assert course(steps) == [400, 300, 700, 100]


def test_a_tightened_limit_acts_at_once_and_what_it_cut_is_not_owed_later():
    steps = [[wish(Source.SCHEDULE, 800)]] + [[wish(Source.MANUAL, 0)]] * 4
    bounds = [BOUNDS, BOUNDS, replace(BOUNDS, high_kw=150.0), BOUNDS, BOUNDS]

    assert course(steps, bounds) == [800, 700, 150, 50, 0]


def test_a_limit_that_takes_over_is_followed_at_once():
    peak = Proposal(Source.PEAK_LIMIT, "METER", low_kw=600, reason=LimitReason.PEAK_LIMIT)

    assert course([[wish(Source.SCHEDULE, 0)], [peak]]) == [0, 600]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Source.SCHEDULE, Source.MANUAL, Source.AGC]), st.integers(-10, 10)
        ),
        min_size=2,
        max_size=30,
    )
)
def test_the_power_moves_by_the_rate_at_most_beyond_the_sources_own_changes(asked):
    powers = course([[wish(source, 100.0 * kw)] for source, kw in asked])

    assert all(-1000 <= power <= 1000 for power in powers)
    for (before, after), (one, other) in zip(pairwise(powers), pairwise(asked), strict=True):
        own = 0.0 if one[0] is not other[0] else 100.0 * abs(other[1] - one[1])
        assert abs(after - before) <= own + 100.0 + 1e-6


@given(st.integers(-10, 10), st.integers(-10, 10))
def test_the_new_source_gets_its_power_in_the_end(old, new):
    powers = course([[wish(Source.AGC, 100.0 * old)]] + [[wish(Source.MANUAL, 100.0 * new)]] * 21)

    assert powers[-1] == pytest.approx(100.0 * new)
