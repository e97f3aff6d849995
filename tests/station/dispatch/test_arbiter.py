import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.arbiter import PRIORITY, arbitrate
from station.dispatch.errors import ProposalError
from station.dispatch.proposal import SHIFTING, Bounds, Proposal, Source

POWERS = st.integers(-2000, 2000).map(float)
WISHING = sorted(set(Source) - SHIFTING)


@st.composite
def wishes(draw: st.DrawFn) -> Proposal:
    source = draw(st.sampled_from(WISHING))
    requester = draw(st.sampled_from(["a", "b"]))
    reason = draw(st.sampled_from(LimitReason))
    low, preferred, high = sorted(draw(st.tuples(POWERS, POWERS, POWERS)))
    match draw(st.sampled_from(["definite", "bounds", "prefers", "open"])):
        case "definite":
            return Proposal.definite(source, requester, preferred, reason)
        case "bounds":
            return Proposal(source, requester, None, low, high, reason=reason)
        case "prefers":
            return Proposal(source, requester, preferred, low, high, reason=reason)
        case _:
            return Proposal(source, requester, preferred)


shifts = st.builds(Proposal, st.sampled_from(sorted(SHIFTING)), st.just("grid"), shift_kw=POWERS)
proposals = st.lists(wishes() | shifts, max_size=8)
all_bounds = st.tuples(POWERS, POWERS).map(lambda pair: Bounds(min(pair), max(pair)))
BOUNDS = Bounds(-1000, 1000, LimitReason.SOC_BAND, LimitReason.CELL_VOLTAGE, "C1-R01", "C1-R02")


@given(all_bounds, proposals)
def test_the_result_is_inside_the_bounds(bounds, asked):
    decision = arbitrate(bounds, asked)

    assert bounds.low_kw <= decision.power_kw <= bounds.high_kw
    assert decision.low_kw <= decision.power_kw <= decision.high_kw
    assert decision.power_kw == pytest.approx(decision.base_kw + decision.shift_kw)


@given(all_bounds, proposals)
def test_a_shift_never_leaves_the_bounds_and_neither_does_the_base_without_it(bounds, asked):
    decision = arbitrate(bounds, asked)

    assert bounds.low_kw - 1e-9 <= decision.base_kw <= bounds.high_kw + 1e-9


@given(all_bounds, st.lists(shifts, min_size=1, max_size=3), proposals)
def test_no_source_gets_a_greater_shift_than_it_asked_for(bounds, asked, others):
    decision = arbitrate(bounds, [*asked, *others])

    for step in decision.steps:
        if step.source in SHIFTING:
            assert abs(step.granted_kw) <= abs(step.asked_shift_kw) + 1e-9
            assert step.granted_kw * step.asked_shift_kw >= 0


@given(all_bounds, st.lists(wishes(), max_size=8))
def test_whoever_decides_gets_the_possible_power_nearest_to_its_wish(bounds, asked):
    decision = arbitrate(bounds, asked)

    low, high = bounds.low_kw, bounds.high_kw
    for step in decision.steps:
        if step.outranked_by is None and step.asked_kw == step.asked_low_kw == step.asked_high_kw:
            assert decision.source is step.source
            assert decision.base_kw == max(low, min(high, step.asked_kw))
        low, high = step.low_kw, step.high_kw


@given(all_bounds, proposals, st.randoms(use_true_random=False))
def test_the_order_of_the_proposals_does_not_matter(bounds, asked, rng: random.Random):
    shuffled = list(asked)
    rng.shuffle(shuffled)

    assert arbitrate(bounds, shuffled) == arbitrate(bounds, asked)


@given(all_bounds, proposals, wishes())
def test_a_lower_source_never_takes_anything_from_a_higher_one(bounds, asked, lower):
    higher = [p for p in asked if PRIORITY.index(p.source) < PRIORITY.index(lower.source)]
    alone = arbitrate(bounds, higher)

    together = arbitrate(bounds, [*higher, lower])

    decided = [p for p in higher if p.is_definite]
    if decided:
        assert together.power_kw == alone.power_kw
        assert together.source == alone.source
    assert together.shift_kw == alone.shift_kw
    for step, before in zip(together.steps, alone.steps, strict=False):
        assert (step.source, step.low_kw, step.high_kw) == (
            before.source,
            before.low_kw,
            before.high_kw,
        )


@given(all_bounds, proposals)
def test_every_proposal_has_one_step_that_can_be_told_in_both_languages(bounds, asked):
    decision = arbitrate(bounds, asked)

    assert sorted(step.source for step in decision.steps) == sorted(p.source for p in asked)
    for words in (decision.words(), *(step.words() for step in decision.steps)):
        assert words.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in words.zh)


def test_every_source_has_its_place_in_the_table_once():
    assert sorted(PRIORITY) == sorted(Source)


def test_shifting_sources_stand_together_so_that_opposite_shifts_cancel():
    places = sorted(PRIORITY.index(source) for source in SHIFTING)

    assert places == list(range(places[0], places[0] + len(places)))


def test_the_limit_that_bites_is_named_with_its_device():
    decision = arbitrate(BOUNDS, [Proposal.definite(Source.SCHEDULE, "order-1", 1500)])

    assert decision.power_kw == 1000
    assert (decision.binding, decision.binding_device) == (LimitReason.CELL_VOLTAGE, "C1-R02")
    assert decision.steps[0].bit is LimitReason.CELL_VOLTAGE
    assert decision.words().en == (
        "1000.0 kW by schedule (order-1); asked 1500.0 kW, limited by cell voltage of C1-R02"
    )
    assert decision.words().zh == (
        "1000.0 kW，由计划曲线（order-1）决定；请求 1500.0 kW，受限于C1-R02 单体电压"
    )


def test_nothing_binds_when_the_wish_is_granted():
    decision = arbitrate(BOUNDS, [Proposal.definite(Source.SCHEDULE, "order-1", 400)])

    assert (decision.power_kw, decision.asked_kw) == (400, 400)
    assert decision.binding is LimitReason.NONE


def test_frequency_response_rides_on_the_schedule():
    asked = [
        Proposal.definite(Source.SCHEDULE, "order-1", 400),
        Proposal(Source.PRIMARY_FREQUENCY, "METER", shift_kw=-150),
    ]

    decision = arbitrate(BOUNDS, asked)

    assert (decision.power_kw, decision.base_kw, decision.shift_kw) == (250, 400, -150)
    assert (decision.source, decision.asked_kw) == (Source.SCHEDULE, 250)


def test_frequency_response_reserves_its_room_against_the_schedule():
    asked = [
        Proposal.definite(Source.SCHEDULE, "order-1", 900),
        Proposal(Source.PRIMARY_FREQUENCY, "METER", shift_kw=300),
    ]

    decision = arbitrate(BOUNDS, asked)

    assert (decision.power_kw, decision.base_kw, decision.shift_kw) == (1000, 700, 300)
    assert decision.binding is LimitReason.CELL_VOLTAGE


def test_opposite_frequency_responses_cancel():
    asked = [
        Proposal.definite(Source.SCHEDULE, "order-1", 900),
        Proposal(Source.FAST_FREQUENCY, "METER", shift_kw=1500),
        Proposal(Source.PRIMARY_FREQUENCY, "METER", shift_kw=-1500),
    ]

    assert arbitrate(BOUNDS, asked).power_kw == 900


def test_a_person_outranks_the_dispatch_centre_and_the_record_says_so():
    asked = [
        Proposal.definite(Source.AGC, "centre", -500),
        Proposal.definite(Source.MANUAL, "order-2", 200),
    ]

    decision = arbitrate(BOUNDS, asked)

    assert (decision.power_kw, decision.source) == (200, Source.MANUAL)
    assert decision.steps[1].outranked_by is Source.MANUAL
    assert decision.steps[1].words().en.endswith("asks for -500.0 kW; manual decides")


def test_a_peak_limit_makes_the_station_discharge_though_nobody_asked():
    peak = Proposal(Source.PEAK_LIMIT, "METER", None, low_kw=120, reason=LimitReason.PEAK_LIMIT)

    decision = arbitrate(BOUNDS, [peak])

    assert (decision.power_kw, decision.source) == (120, Source.PEAK_LIMIT)
    assert decision.binding is LimitReason.PEAK_LIMIT


def test_a_peak_limit_beyond_the_bounds_is_honoured_as_far_as_they_go():
    peak = Proposal(Source.PEAK_LIMIT, "METER", None, low_kw=1200, reason=LimitReason.PEAK_LIMIT)

    decision = arbitrate(BOUNDS, [peak, Proposal.definite(Source.SCHEDULE, "order-1", -500)])

    assert decision.power_kw == 1000
    assert decision.steps[0].bit is LimitReason.CELL_VOLTAGE


def test_a_feed_in_limit_outranks_frequency_response():
    asked = [
        Proposal(
            Source.FEED_IN_LIMIT, "METER", None, high_kw=300, reason=LimitReason.FEED_IN_LIMIT
        ),
        Proposal(Source.FAST_FREQUENCY, "METER", shift_kw=800),
        Proposal.definite(Source.SCHEDULE, "order-1", 0),
    ]

    decision = arbitrate(BOUNDS, asked)

    assert decision.power_kw == 300
    assert decision.binding is LimitReason.FEED_IN_LIMIT


def test_nobody_asks_and_the_station_stands_still():
    decision = arbitrate(BOUNDS, [])

    assert (decision.power_kw, decision.source) == (0, Source.NONE)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": Source.MANUAL, "preferred_kw": math.nan}, "finite number"),
        ({"source": Source.MANUAL, "low_kw": 2.0, "high_kw": 1.0}, "in order"),
        ({"source": Source.MANUAL, "preferred_kw": 5.0, "high_kw": 1.0}, "inside the bounds"),
        ({"source": Source.MANUAL, "shift_kw": 1.0}, "only frequency response"),
        ({"source": Source.FAST_FREQUENCY, "preferred_kw": 1.0}, "shift_kw alone"),
        ({"source": Source.FAST_FREQUENCY, "shift_kw": math.inf}, "finite number"),
    ],
)
def test_a_proposal_that_could_not_be_arbitrated_is_refused_with_its_remedy(fields, words):
    with pytest.raises(ProposalError, match=words):
        Proposal(requester="x", **fields)


def test_bounds_that_hold_no_power_are_refused():
    with pytest.raises(ProposalError, match="hold no power"):
        Bounds(10, -10)
