import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.arbiter import arbitrate
from station.dispatch.proposal import Bounds, Proposal, Source
from station.dispatch.sources import (
    BalancingMemory,
    BalancingSettings,
    ConnectionInputs,
    ConnectionMemory,
    ConnectionSettings,
    ReactiveInputs,
    ReactiveMemory,
    ReactiveMode,
    ReactiveSettings,
    Reserve,
    balance,
    bound_active,
    propose_connection,
    split_reactive,
    wanted_kvar,
)

CONNECTION = ConnectionSettings(peak_kw=500.0, feed_in_kw=200.0, trust_s=5.0)
WIDE = Bounds(-5000.0, 5000.0)
powers = st.floats(-2000, 2000)


@given(powers, powers, powers)
def test_meter_limits_hold_whatever_the_load_and_the_wish(rest_kw, own_kw, wish_kw):
    inputs = ConnectionInputs(rest_kw + own_kw, own_kw)
    limits, _ = propose_connection(CONNECTION, ConnectionMemory(), inputs, 0)

    decision = arbitrate(WIDE, [*limits, Proposal.definite(Source.MANUAL, "order", wish_kw)])

    assert -500.0 - 1e-6 <= rest_kw + decision.power_kw <= 200.0 + 1e-6


def test_a_peaking_load_makes_the_station_discharge():
    limits, _ = propose_connection(CONNECTION, ConnectionMemory(), ConnectionInputs(-700.0, 0.0), 0)

    decision = arbitrate(WIDE, limits)

    assert decision.power_kw == 200.0
    assert decision.binding is LimitReason.PEAK_LIMIT


def test_nothing_swings_when_load_and_wish_are_constant():
    own_kw, memory, seen = 0.0, ConnectionMemory(), []
    for second in range(20):
        inputs = ConnectionInputs(-700.0 + own_kw, own_kw)
        limits, memory = propose_connection(CONNECTION, memory, inputs, 1000 * second)
        own_kw = arbitrate(WIDE, limits).power_kw
        seen.append(own_kw)

    assert set(seen) == {200.0}


def test_a_silent_meter_is_trusted_for_a_while_and_then_forbids_both_ways():
    _, memory = propose_connection(CONNECTION, ConnectionMemory(), ConnectionInputs(-700.0, 0.0), 0)
    silent = ConnectionInputs(math.nan, 0.0)

    young, memory = propose_connection(CONNECTION, memory, silent, 5_000)
    old, _ = propose_connection(CONNECTION, memory, silent, 5_001)

    assert [p.low_kw for p in young if p.source is Source.PEAK_LIMIT] == [200.0]
    assert arbitrate(WIDE, [*old, Proposal.definite(Source.MANUAL, "order", -400)]).power_kw == 0
    assert arbitrate(WIDE, [*old, Proposal.definite(Source.MANUAL, "order", 400)]).power_kw == 0


def kvar(settings: ReactiveSettings, voltage: float = 1.0, power_kw: float = 600.0) -> float:
    inputs = ReactiveInputs(power_kw, voltage, 1000.0)
    return wanted_kvar(settings, ReactiveMemory(), inputs, 0)[0]


def test_reactive_power_is_fixed_by_factor_or_along_the_voltage_curve():
    curve = ReactiveSettings(ReactiveMode.CURVE)

    assert kvar(ReactiveSettings()) == 0.0
    assert kvar(ReactiveSettings(ReactiveMode.FIXED, fixed_kvar=-120.0)) == -120.0
    assert kvar(ReactiveSettings(ReactiveMode.POWER_FACTOR, power_factor=0.8)) == pytest.approx(450)
    assert kvar(curve, 0.90) == pytest.approx(440.0)
    assert kvar(curve, 0.95) == pytest.approx(220.0)
    assert kvar(curve, 1.00) == 0.0
    assert kvar(curve, 1.10) == pytest.approx(-440.0)


def test_a_power_factor_can_lower_the_voltage_too_and_does_so_in_both_directions():
    settings = ReactiveSettings(ReactiveMode.POWER_FACTOR, power_factor=0.8, injects=False)

    assert kvar(settings, power_kw=600.0) == kvar(settings, power_kw=-600.0) == pytest.approx(-450)


def test_the_curve_answers_with_nine_tenths_of_a_step_after_its_response_time():
    settings = ReactiveSettings(ReactiveMode.CURVE, response_s=5.0)
    memory = ReactiveMemory(0.0, 0)
    inputs = ReactiveInputs(0.0, 0.90, 1000.0)

    for second in range(1, 6):
        found, memory = wanted_kvar(settings, memory, inputs, 1000 * second)

    assert found == pytest.approx(0.9 * 440.0)


def test_an_unknown_voltage_keeps_the_last_answer():
    settings = ReactiveSettings(ReactiveMode.CURVE)
    inputs = ReactiveInputs(0.0, math.nan, 1000.0)

    assert wanted_kvar(settings, ReactiveMemory(77.0, 0), inputs, 1000)[0] == 77.0


def test_reactive_power_with_priority_bounds_active_power_and_otherwise_does_not():
    first = ReactiveSettings(ReactiveMode.FIXED, fixed_kvar=600.0, active_first=False)

    bound = bound_active(first, 600.0, 1000.0)

    assert (bound.low_kw, bound.high_kw) == (pytest.approx(-800.0), pytest.approx(800.0))
    assert bound_active(ReactiveSettings(ReactiveMode.FIXED, 600.0), 600.0, 1000.0) is None


@given(
    st.floats(-5000, 5000),
    st.dictionaries(
        st.sampled_from(["A", "B", "C"]),
        st.tuples(st.floats(-1000, 1000), st.floats(500, 1200)),
        max_size=3,
    ),
)
def test_no_converter_leaves_its_circle(asked_kvar, plant):
    active = {tag: max(-kva, min(kva, kw)) for tag, (kw, kva) in plant.items()}
    circles = {tag: kva for tag, (_, kva) in plant.items()}

    found = split_reactive(asked_kvar, active, circles)

    for tag, part in found.items():
        assert math.hypot(active[tag], part) <= circles[tag] + 1e-6
        assert part * asked_kvar >= 0
    assert abs(math.fsum(found.values())) <= abs(asked_kvar) + 1e-6


BALANCING = BalancingSettings(allowed=True, idle_s=10.0, power_kw=50.0)
UNEVEN = {
    "A": Reserve(0.60, 1000.0, 1000.0),
    "B": Reserve(0.50, 1000.0, 1000.0),
    "C": Reserve(0.52, 1000.0, 30.0),
}


def test_only_a_station_idle_long_enough_moves_energy_from_the_fullest_to_the_emptiest():
    early, memory = balance(BALANCING, BalancingMemory(), UNEVEN, 0, idle=True)
    late, _ = balance(BALANCING, memory, UNEVEN, 10_000, idle=True)

    assert early == {}
    assert late == {"A": 50.0, "B": -50.0}


@pytest.mark.parametrize(
    ("settings", "idle"),
    [(BalancingSettings(allowed=False, idle_s=0.0), True), (BALANCING, False)],
    ids=["not allowed", "at work"],
)
def test_a_working_station_or_one_not_allowed_never_charges_one_from_another(settings, idle):
    memory = BalancingMemory(0, ("A", "B"))

    found, memory = balance(settings, memory, UNEVEN, 100_000, idle=idle)

    assert found == {}
    assert memory.pair is None


def test_a_transfer_goes_on_until_the_two_have_met_and_not_beyond():
    memory = BalancingMemory(0, ("A", "B"))
    near = {"A": Reserve(0.53, 1000, 1000), "B": Reserve(0.51, 1000, 1000)}
    met = {"A": Reserve(0.515, 1000, 1000), "B": Reserve(0.51, 1000, 1000)}

    going, _ = balance(BALANCING, memory, near, 10_000, idle=True)
    over, _ = balance(BALANCING, memory, met, 10_000, idle=True)

    assert going == {"A": 50.0, "B": -50.0}
    assert over == {}


def test_a_transfer_keeps_within_both_limits_and_sums_to_nothing():
    uneven = {"A": Reserve(0.6, 1000, 20.0), "B": Reserve(0.5, 1000, 1000)}

    found, _ = balance(BALANCING, BalancingMemory(0), uneven, 10_000, idle=True)

    assert found == {"A": 20.0, "B": -20.0}
