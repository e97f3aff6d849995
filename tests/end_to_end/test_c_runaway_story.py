"""Dangerous courses from the plant's physics to the station's story, played without a clock.

The plant, its registers, the profiles and the whole control cycle are the real ones; only the
wires between them are left out, so that a quarter of an hour takes seconds.
"""

import asyncio
from collections.abc import Callable
from functools import cache

import pytest

from bench._rehearsal import START_S, Rehearsal
from simulator.config import PlantConfig
from simulator.physics.converter import PcsState
from station.protection import Level

RACK_KW = 172.5
"""Of the converter for each rack, as in the default plant."""


def play(
    scenario: str,
    until_s: int,
    racks: int,
    *,
    power_kw: float = 0.0,
    heard: bool = True,
    done: Callable[[Rehearsal], bool] = lambda _: False,
) -> Rehearsal:
    size = PlantConfig(racks_per_container=racks, pcs_rated_kw=racks * RACK_KW)
    stage = Rehearsal(scenario, size=size, heard=heard)
    asyncio.run(stage.go(until_s, power_kw, done))
    return stage


def second(at_ms: float) -> float:
    return at_ms / 1000 - START_S


def tripped_by_itself(stage: Rehearsal) -> bool:
    return bool(stage.witness.bms_trips)


def points(stage: Rehearsal, device: str) -> list[str]:
    return [action.point for _, action in stage.story.actions if action.device == device]


COURSES = {
    "short": ("thermal-runaway", 4, "C2-R04", 700),
    "overcharge": ("thermal-runaway-overcharge", 6, "C1-R06", 700),
}
"""Scenario, racks of a container, the rack concerned, how long."""


@cache
def played(name: str) -> tuple[Rehearsal, Rehearsal, str]:
    """A course with the station, the same left to the battery management, and the rack."""
    scenario, racks, rack, until_s = COURSES[name]
    alone = play(scenario, until_s, racks, heard=False, done=tripped_by_itself)
    return play(scenario, until_s, racks), alone, rack


@pytest.fixture(params=sorted(COURSES))
def course(request) -> tuple[Rehearsal, Rehearsal, str]:
    return played(request.param)


def test_a_warning_comes_minutes_before_the_first_trip_by_a_single_bound(course):
    _, alone, rack = course

    warned_s = alone.story.first("runaway_early")
    tripped_s, tripped_rack, _ = alone.witness.bms_trips[0]

    assert tripped_rack == rack
    assert warned_s < tripped_s - 120


def test_the_rack_is_parted_after_the_warning_and_before_its_battery_management_acts(course):
    stage, _, rack = course

    parted = next(m for m in stage.story.told("protection.confirmed") if m.device == rack)

    assert stage.story.first("runaway_early", rack) < second(parted.at_ms)
    assert not [trip for trip in stage.witness.bms_trips if trip[0] <= second(parted.at_ms)]


def test_a_shorted_cell_is_parted_more_than_a_minute_before_the_single_bound():
    stage, alone, rack = played("short")

    parted = next(m for m in stage.story.told("protection.confirmed") if m.device == rack)

    assert second(parted.at_ms) < alone.witness.bms_trips[0][0] - 60


def test_isolation_is_confirmed_by_the_plant_and_the_neighbours_go_on_with_less(course):
    stage, _, rack = course
    container = rack[:2]

    state = next(c for c in stage.last.plant.containers if c.name == container)
    parted = next(r for r in state.racks if r.device == rack)
    limits = stage.last.verdict.limits.converters[f"{container}-PCS"]

    assert parted.contactor_closed is False
    assert abs(parted.current_a) < 1
    assert points(stage, rack)[0] == "open_contactor"
    assert [r.device for r in state.racks if not r.contactor_closed] == [rack]
    assert 0 < limits.discharge.kw <= 0.5 * state.converter.rated_kw
    assert limits.discharge.device == rack


def test_the_moments_read_as_one_story_in_the_order_of_device_time(course):
    stage, _, rack = course

    story = [m for m in stage.story.moments if m.device == rack]
    codes = [moment.code for moment in story]

    assert codes[:3] == ["protection.first_out", "protection.action", "protection.confirmed"]
    assert [m.at_ms for m in story[:3]] == sorted(m.at_ms for m in story[:3])
    assert "cell 130" in story[0].detail.en
    assert "130 号单体" in story[0].detail.zh
    assert stage.last.verdict.first_out.device == rack


def test_an_overcharged_cell_is_saved_before_its_valve_opens():
    stage, alone, _ = played("overcharge")

    assert [m[1] for m in alone.witness.moments if m[1] == "valve_opens"] == ["valve_opens"]
    assert not [m for m in stage.witness.moments if m[1] == "valve_opens"]
    assert stage.witness.bms_trips == []


def test_a_short_that_burns_all_the_same_is_blown_out_and_its_container_parted():
    stage = play("thermal-runaway", 1060, 4)

    state = stage.last.plant.containers[1]
    actions = [(a.device, a.point) for _, a in stage.story.actions]
    confirmed = {m.device for m in stage.story.told("protection.confirmed")}
    assert ("cell_runaway", "C2-R04/130") in {m[1:] for m in stage.witness.moments}
    assert actions.index(("C2-VENT", "ventilation")) < actions.index(("C2-PCS", "stop"))
    assert not state.converter.running
    assert [r.device for r in state.racks if r.contactor_closed] == []
    assert {"C2-PCS", "C2-VENT", *(f"C2-R{n:02d}" for n in range(1, 5))} <= confirmed
    assert stage.plant.bms.closed[:4].all()
    assert stage.plant.converters[0].connected
    assert stage.last.verdict.first_out.rule == "runaway_early"
    assert 0 < stage.last.verdict.limits.converters["C1-PCS"].discharge.kw <= 0.5 * 4 * RACK_KW


def test_an_insulation_fault_is_traced_to_its_rack_which_stays_parted():
    stage = play("insulation-fault", 150, 5, power_kw=-200)

    found = [m for m in stage.story.moments if m.tag == "insulation-found"]
    assert [m.device for m in found] == ["C1-R04"]
    assert stage.plant.dangers.insulation[0].positive_kohm > 2000
    assert not stage.plant.bms.closed[3]
    assert stage.plant.bms.closed[4:].all()
    assert "C1-PCS" in stage.last.verdict.held


def test_a_contactor_that_stays_closed_brings_its_whole_container_down():
    stage = play("contactor-weld", 330, 5, power_kw=-200)

    told = stage.story.told("protection.escalated")
    assert [m.device for m in told] == ["C2-R05"]
    assert stage.story.first("contactor_welded", "C2-R05", Level.TRIP)
    assert "stop" in points(stage, "C2-PCS")
    assert stage.plant.converters[1].state is PcsState.STANDBY
    assert abs(stage.plant.rack_current_a[9]) < 1


def test_a_contactor_that_lies_leaves_the_fault_unfound_and_the_converter_is_stopped():
    stage = play("contactor-weld", 140, 5, power_kw=-200)

    told = [m for m in stage.story.moments if m.tag == "insulation-not-found"]
    assert [m.device for m in told] == ["C1-IMD"]
    assert "a welded contactor" in told[0].detail.en
    assert stage.plant.converters[0].state is PcsState.STANDBY
    assert abs(stage.plant.rack_current_a[2]) < 1


def test_lost_coolant_halves_the_power_first_and_stops_it_after_minutes():
    stage = play("coolant-loss", 370, 4, power_kw=-800)

    halved_s = stage.story.first("coolant_flow_low", "C2-CHL", Level.DERATE)
    stopped_s = stage.story.first("coolant_flow_low", "C2-CHL", Level.STOP)
    assert halved_s == pytest.approx(70, abs=5)
    assert stopped_s == pytest.approx(360, abs=5)
    assert points(stage, "C2-PCS") == ["stop"]
    assert not stage.plant.converters[1].connected
    assert stage.plant.converters[0].connected
