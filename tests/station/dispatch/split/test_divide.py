"""What a division of power keeps to: the sum, limits, ramps; and who gets more of it."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.dispatch.split import LossCurve, SplitUnit, equal_split, split
from tests.station.dispatch.split.converters import allowed, four, plants, powers


@given(powers, plants())
def test_the_sum_is_exactly_the_request_or_what_the_limits_allow(power_kw, units):
    found = split(power_kw, units)

    wanted = math.copysign(min(abs(power_kw), allowed(units, power_kw or 1.0)), power_kw)
    assert found.power_kw == pytest.approx(wanted, abs=1e-6)
    assert math.fsum(found.powers.values()) == pytest.approx(wanted, abs=1e-6)


@given(powers, plants(ramps=True))
def test_no_unit_passes_its_limit_and_none_works_against_another(power_kw, units):
    found = split(power_kw, units)

    for unit in units:
        assert -unit.charge_kw - 1e-9 <= found.powers[unit.device] <= unit.discharge_kw + 1e-9
        assert unit.available or found.powers[unit.device] == 0
    working = [kw for kw in found.powers.values() if abs(kw) > 1e-9]
    assert all(kw > 0 for kw in working) or all(kw < 0 for kw in working)


@given(powers, plants(ramps=True))
def test_a_unit_moves_by_its_ramp_at_most_unless_a_limit_has_tightened(power_kw, units):
    found = split(power_kw, units)

    for unit in units:
        reach = max(-unit.charge_kw, min(unit.discharge_kw, unit.power_kw))
        if unit.available:
            assert abs(found.powers[unit.device] - reach) <= unit.ramp_kw + 1e-9


@given(powers, plants(ramps=True))
def test_ramps_bring_the_sum_to_the_request_in_the_end(power_kw, units):
    free = split(power_kw, [replace_ramp(unit, math.inf) for unit in units])

    for _ in range(4100):
        found = split(power_kw, units)
        if abs(found.power_kw - free.power_kw) < 1e-6:
            break
        units = [moved(unit, found.powers[unit.device], max(unit.ramp_kw, 100)) for unit in units]

    assert found.power_kw == pytest.approx(free.power_kw, abs=1e-6)


def replace_ramp(unit: SplitUnit, ramp_kw: float) -> SplitUnit:
    return moved(unit, unit.power_kw, ramp_kw)


def moved(unit: SplitUnit, power_kw: float, ramp_kw: float) -> SplitUnit:
    return replace(unit, power_kw=power_kw, ramp_kw=ramp_kw)


@given(powers, plants(), st.randoms(use_true_random=False))
def test_the_order_of_the_units_does_not_matter(power_kw, units, rng):
    shuffled = list(units)
    rng.shuffle(shuffled)

    assert split(power_kw, shuffled).powers == split(power_kw, units).powers


def test_the_fuller_battery_discharges_more_and_charges_less():
    units = [
        SplitUnit("A", 1000, 1000, LossCurve.of_rating(1000), soc=0.6, may_sleep=False),
        SplitUnit("B", 1000, 1000, LossCurve.of_rating(1000), soc=0.5, may_sleep=False),
    ]

    out, into = split(1000, units), split(-1000, units)

    assert out.powers == pytest.approx({"A": 600, "B": 400})
    assert into.powers == pytest.approx({"A": -400, "B": -600})


def test_the_hotter_converter_does_less_in_both_directions():
    units = [
        SplitUnit("A", 1000, 1000, LossCurve.of_rating(1000), temperature_c=45, may_sleep=False),
        SplitUnit("B", 1000, 1000, LossCurve.of_rating(1000), temperature_c=35, may_sleep=False),
    ]

    for power_kw in (1000, -1000):
        found = split(power_kw, units)

        assert abs(found.powers["A"]) < abs(found.powers["B"])


def test_an_equal_split_gives_all_the_same_as_far_as_limits_go():
    units = [*four()[:2], SplitUnit("C9", 1000, 100, LossCurve.of_rating(1000))]

    assert equal_split(1000, units).powers == pytest.approx({"C1": 450, "C2": 450, "C9": 100})


def test_a_station_without_converters_has_no_power_and_says_so():
    found = split(100, [])

    assert found.powers == {}
    assert found.limited is LimitReason.PCS_RATING
