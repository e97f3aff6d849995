"""What findings do to limits, what silence and ignorance do, and how often it is said."""

from dataclasses import replace

import pytest

from contract.limits import LimitReason
from station.protection import Level, ProtectionState, protect, station_limits
from tests.station.protection.test_limits import plant, racks
from tests.station.protection.world import MARGINS, NAN, SETTINGS, T0, World, finding


def bound(verdict, name: str = "C1"):
    return verdict.limits.converters[f"{name}-PCS"]


def test_a_healthy_plant_has_nothing_to_say():
    world = World()

    verdict = world.run(60)

    assert verdict.level is Level.NORMAL
    assert (verdict.findings, verdict.held, verdict.first_out) == ((), frozenset(), None)
    assert (world.sent, world.moments) == ([], [])
    assert verdict.limits.discharge.kw == 3000


def test_a_healthy_rack_with_known_rating_is_bounded_as_without_protection():
    found = plant(*(replace(r, soh=1.0, capacity_ah=500.0) for r in racks()))

    verdict, _ = protect(found, ProtectionState(), SETTINGS, T0)

    assert replace(verdict.limits, racks={}) == station_limits(found, MARGINS)


def test_a_warning_leaves_the_power_alone():
    world = World()
    world.rack("C1-R01", cell_temperature_max_c=46.0, cell_temperature_min_c=40.0)

    verdict = world.run(10)

    assert verdict.level is Level.WARN
    assert bound(verdict).discharge.reason is LimitReason.PCS_RATING


def test_a_derating_restricts_its_own_direction_and_names_device_and_cell():
    world = World()
    world.rack("C1-R02", cell_voltage_max_v=3.63, charge_current_limit_a=120.0)

    charge = bound(world.run(1)).charge.kw
    verdict = world.run(10)

    assert bound(verdict).charge.kw == pytest.approx(charge / 2)
    assert bound(verdict).charge.reason is LimitReason.CELL_VOLTAGE
    assert (bound(verdict).charge.device, bound(verdict).charge.cell) == ("C1-R02", 7)
    assert bound(verdict).discharge.kw == pytest.approx(1000.0)


def test_a_stop_leaves_the_other_direction_free():
    world = World()
    world.rack("C1-R02", cell_voltage_min_v=2.55)

    verdict = world.run(3)

    assert verdict.level is Level.STOP
    assert bound(verdict).discharge.kw == 0
    assert bound(verdict).charge.kw > 0


def test_a_finding_says_in_both_languages_what_where_how_much_and_since_when():
    world = World()
    world.run(3)
    world.rack("C1-R02", cell_voltage_max_v=3.70001)
    found = finding(world.run(1), "cell_voltage_high")

    assert found.words.en == "cell voltage high, stopped: 3.7 V (limit 3.65), cell 7"
    assert found.words.zh == "单体电压过高，停机：3.7 V（限值 3.65），7 号单体"
    assert (found.since_ms, found.container, found.unit) == (T0 + 4000, "C1", "V")


@pytest.mark.parametrize(
    ("device", "rule", "after_s", "level"),
    [
        ("C1-R01", "rack_silent", 8, Level.STOP),
        ("C1-R01", "rack_silent", 30, Level.TRIP),
        ("C1-PCS", "converter_silent", 8, Level.STOP),
        ("C1-CHL", "chiller_silent", 15, Level.WARN),
        ("C1-CHL", "chiller_silent", 130, Level.DERATE),
        ("C1-FIRE", "fire_panel_silent", 8, Level.WARN),
        ("C1-FIRE", "fire_panel_silent", 130, Level.DERATE),
        ("PANEL", "panel_silent", 8, Level.WARN),
        ("PANEL", "panel_silent", 40, Level.STOP),
        ("METER", "meter_silent", 8, Level.WARN),
    ],
)
def test_whoever_falls_silent_is_told_and_restricted_in_steps(device, rule, after_s, level):
    world = World()
    world.run(2)
    world.silent.add(device)

    verdict = world.run(after_s)

    assert finding(verdict, rule).level is level
    assert finding(verdict, rule).device == device


def test_a_silent_site_panel_stops_the_whole_station_in_the_end():
    world = World()
    world.silent.add("PANEL")

    verdict = world.run(40)

    assert (verdict.limits.charge.kw, verdict.limits.discharge.kw) == (0, 0)
    assert verdict.limits.discharge.device == "PANEL"
    assert all(bound(verdict, n).discharge.kw == 0 for n in ("C1", "C2", "C3"))


@pytest.mark.parametrize("sign", ["smoke", "heat"])
def test_one_detector_alone_stops_power_and_trips_nothing(sign):
    world = World()
    world.run(2)
    setattr(world.boxes["C1"], sign, True)

    verdict = world.run(5)

    assert verdict.level is Level.STOP
    assert bound(verdict).discharge.kw == 0
    assert len(world.closed("C1")) == 4
    assert bound(verdict, "C2").discharge.kw == 1000


def test_a_panel_that_is_in_fault_ends_no_fire():
    world = World()
    world.boxes["C1"].fire_state = 2
    world.run(3)
    world.boxes["C1"].fire_state = 3

    verdict = world.run(60)

    assert finding(verdict, "fire_state").standing


def test_values_that_become_unknown_never_look_healthy():
    world = World()
    world.rack("C1-R01", cell_temperature_max_c=57.0)
    world.run(5)
    world.rack("C1-R01", cell_temperature_max_c=NAN)

    verdict = world.run(600)

    assert finding(verdict, "cell_temperature_high").level is Level.STOP
    assert bound(verdict).discharge.kw == 0


def test_a_station_that_slept_does_not_let_all_delays_run_out_at_once():
    world = World()
    world.run(2)
    world.boxes["C1"].flow_lpm = 0.0
    world.run(2)
    world.second += 3600

    verdict = world.run(1)

    assert finding(verdict, "coolant_flow_low").level is Level.DERATE


def test_a_clock_that_is_set_back_neither_ends_nor_hastens_anything():
    world = World()
    world.boxes["C1"].hydrogen_ppm = 600.0
    world.run(10)
    world.second -= 7200

    verdict = world.run(5)

    assert finding(verdict, "hydrogen").level is Level.STOP


def test_ventilation_in_fault_is_told():
    world = World()
    world.boxes["C1"].ventilation = 2

    assert finding(world.run(5), "ventilation_fault").level is Level.WARN


def test_a_plant_without_any_helper_is_judged_all_the_same():
    found = plant(*racks())
    state = ProtectionState()

    for second in range(20):
        verdict, state = protect(found, state, SETTINGS, T0 + second * 1000)

    assert verdict.level is Level.NORMAL


def test_a_rack_that_joins_or_leaves_the_plant_disturbs_no_other():
    world = World()
    world.rack("C1-R01", cell_temperature_max_c=61.0)
    world.run(5)
    del world.boxes["C2"].racks["C2-R01"]

    verdict = world.run(5)

    assert finding(verdict, "cell_temperature_high").device == "C1-R01"
    assert verdict.level is Level.TRIP
