"""The maps of what cells may carry: bounded, monotone, and naming who binds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import LimitReason
from station.config_errors import ConfigError
from station.protection import cell_maps, load_cell_maps, station_limits
from station.protection.cell_maps import c_rate, health_factor, map_limits
from station.protection.restraints import Restraints
from station.protection.states import CellHealth
from tests.station.protection.world import MARGINS, NAN, World, healthy_rack

MAPS = load_cell_maps()
SHIPPED = Path(cell_maps.__file__).with_name("cell_maps.toml")
temperatures = st.floats(-60, 120)
socs = st.floats(-0.2, 1.2)


def rate(chart, temperature: float, soc: float) -> float:
    return float(c_rate(chart, np.array(temperature), np.array(soc)))


def limits(**changes: object):
    rack = replace(healthy_rack("C1-R01"), **changes)
    return map_limits([rack], MAPS)["C1-R01"]


@given(temperatures, socs)
def test_a_map_is_bounded_by_nothing_and_its_peak(temperature, soc):
    for chart in (MAPS.charge, MAPS.discharge):
        assert 0 <= rate(chart, temperature, soc) <= chart.peak + 1e-12


@given(temperatures, socs, socs)
def test_a_fuller_rack_never_charges_faster_and_never_discharges_slower(temperature, one, other):
    low, high = sorted((one, other))

    assert rate(MAPS.charge, temperature, high) <= rate(MAPS.charge, temperature, low) + 1e-12
    assert rate(MAPS.discharge, temperature, high) >= rate(MAPS.discharge, temperature, low) - 1e-12


@given(temperatures, temperatures, temperatures, socs)
def test_no_cell_between_coldest_and_hottest_allows_less_than_both(one, two, three, soc):
    cold, between, hot = sorted((one, two, three))

    for chart in (MAPS.charge, MAPS.discharge):
        ends = min(rate(chart, cold, soc), rate(chart, hot, soc))
        assert rate(chart, between, soc) >= ends - 1e-12


@given(st.floats(0, 1.1), st.floats(0, 1.1))
def test_a_less_healthy_rack_never_carries_more(one, other):
    low, high = sorted((one, other))
    factors = health_factor(MAPS.health, np.array([low, high]))

    assert 0 <= factors[0] <= factors[1] <= 1


@given(
    st.floats(0, 1) | st.just(NAN), temperatures | st.just(NAN), temperatures | st.just(NAN),
    socs | st.just(NAN),
)  # fmt: skip
def test_what_is_not_known_allows_no_more_than_what_is(soh, cold, hot, soc):
    charge, discharge = limits(
        soh=soh, cell_temperature_min_c=cold, cell_temperature_max_c=hot, soc=soc
    )

    for limit, chart in ((charge, MAPS.charge), (discharge, MAPS.discharge)):
        assert 0 <= limit.current_a <= chart.peak * 700.0 + 1e-9
        if any(np.isnan([cold, hot, soc])):
            assert limit.current_a == 0


def test_points_of_the_file_are_met_exactly_and_halves_lie_between():
    assert rate(MAPS.charge, 5, 0.85) == pytest.approx(0.10)
    assert rate(MAPS.charge, 7.5, 0.5) == pytest.approx((0.10 + 0.25) / 2)
    assert rate(MAPS.charge, 25, 0.975) == pytest.approx((0.60 + 0.05) / 2)


def test_the_coldest_cell_binds_and_is_named():
    charge, _ = limits(cell_temperature_min_c=5.0, cell_temperature_max_c=25.0)

    assert charge.current_a == pytest.approx(0.10 * 700)
    assert (charge.reason, charge.cell) == (LimitReason.CELL_MAP, 2)


def test_the_hottest_cell_binds_and_is_named():
    charge, _ = limits(cell_temperature_min_c=25.0, cell_temperature_max_c=50.0)

    assert charge.current_a == pytest.approx(0.30 * 700)
    assert (charge.reason, charge.cell) == (LimitReason.CELL_MAP, 5)


def test_an_aged_rack_carries_less_and_says_why():
    fresh, aged = limits(soh=1.0)[0], limits(soh=0.8)[0]

    assert aged.current_a == pytest.approx(0.75 * fresh.current_a)
    assert (aged.reason, aged.cell) == (LimitReason.STATE_OF_HEALTH, None)


def test_a_lower_state_of_health_is_seen_in_the_limits_of_the_station():
    bounds = []
    for soh in (1.0, 0.65, 0.6, 0.55):
        world = World(containers=1)
        world.rack("C1-R02", soh=soh)
        bounds.append(world.run(1).limits.discharge)

    assert [b.kw for b in bounds] == sorted((b.kw for b in bounds), reverse=True)
    assert bounds[0].kw > bounds[1].kw > bounds[2].kw > bounds[3].kw > 0
    assert (bounds[3].reason, bounds[3].device) == (LimitReason.STATE_OF_HEALTH, "C1-R02")


def test_the_most_worn_cell_slows_its_rack_and_is_named():
    fresh = limits()
    charge, discharge = limits(health=CellHealth(0.6, 0.9, charge_cell=12, discharge_cell=3))

    assert charge.current_a == pytest.approx(0.6 * fresh[0].current_a)
    assert discharge.current_a == pytest.approx(0.9 * fresh[1].current_a)
    assert (charge.reason, charge.cell) == (LimitReason.CELL_HEALTH, 12)


@pytest.mark.parametrize(("soh", "share"), [(0.8, 0.9), (0.8, 0.3), (1.0, 0.5)])
def test_of_two_words_on_health_the_worse_one_counts_alone(soh, share):
    by_bms, by_us = limits(soh=soh)[0], limits(soh=1.0, health=CellHealth(share, share, 4))[0]

    both = limits(soh=soh, health=CellHealth(share, share, 4))[0]

    assert both.current_a == min(by_bms.current_a, by_us.current_a)
    worse_by_us = by_us.current_a < by_bms.current_a
    reason = LimitReason.CELL_HEALTH if worse_by_us else LimitReason.STATE_OF_HEALTH
    assert both.reason is reason


@given(st.floats(-1, 3) | st.just(NAN), socs, temperatures)
def test_no_estimate_of_health_ever_allows_more_than_none(share, soc, temperature):
    facts = {"soc": soc, "cell_temperature_min_c": temperature}
    without = limits(**facts)

    told = limits(**facts, health=CellHealth(share, share, 1, 1))

    assert all(a.current_a <= b.current_a for a, b in zip(told, without, strict=True))
    if not share < 1:
        assert told == without


def test_the_bms_binds_where_it_allows_less_than_the_map():
    world = World(containers=1)
    world.rack("C1-R02", discharge_current_limit_a=50.0)
    plant = world.plant()
    maps = map_limits(plant.containers[0].racks, MAPS)

    bound = station_limits(plant, MARGINS, Restraints(maps=maps)).discharge

    assert (bound.reason, bound.device) == (LimitReason.RACK_CURRENT, "C1-R02")


def test_an_aged_rack_binds_the_container_when_it_is_weakest():
    world = World(containers=1)
    world.rack("C1-R02", soh=0.6)
    plant = world.plant()
    maps = map_limits(plant.containers[0].racks, MAPS)

    bound = station_limits(plant, MARGINS, Restraints(maps=maps)).charge

    rack_kw = 0.4 * 0.6 * 700 * 1331.2 / 1000 * 0.98
    assert bound.kw == pytest.approx(rack_kw / (0.25 * 1.1))
    assert (bound.reason, bound.device) == (LimitReason.STATE_OF_HEALTH, "C1-R02")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("soc = [0.0, 0.85", "soc = [0.9, 0.85", "must be finite and rise"),
        ("[0.10, 0.10, 0.05, 0.02]", "[0.10, 0.20, 0.05, 0.02]", "must not rise with soc"),
        ("[0.05, 0.60, 0.60, 0.60], # 10", "[0.70, 0.60, 0.60, 0.60], # 10", "must not fall"),
        ("[0.25, 0.25, 0.12, 0.03]", "[0.00, 0.00, 0.00, 0.00]", "rise up to one temperature"),
        ("[0.60, 0.60, 0.60, 0.05], # 15", "[0.60, 0.60, 0.60], # 15", "must have 7 rows of 4"),
        ("factor = [0.0, 0.0, 0.4", "factor = [0.0, 0.5, 0.4", "never fall as soh rises"),
    ],
)
def test_a_map_that_no_cell_can_have_is_refused(tmp_path, old, new, told):
    path = tmp_path / "cell_maps.toml"
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(ConfigError, match=told):
        load_cell_maps(path)
