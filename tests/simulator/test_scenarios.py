"""Every scenario that ships, played on a small plant: what it promises is what happens."""

import numpy as np
import pytest

from simulator.files import DATA
from simulator.physics.bms import CELL_OVERTEMPERATURE
from simulator.physics.converter import PcsState
from simulator.physics.safety import FireState
from simulator.plant import Plant
from tests.simulator.small import Rehearsal

NAMES = sorted(path.stem for path in (DATA / "simulator" / "scenarios").glob("*.toml"))
VOLTAGE_RESIDUAL_V = 0.010
TEMPERATURE_RESIDUAL_K = 1.0


@pytest.mark.parametrize("name", NAMES)
async def test_every_scenario_fits_the_plant_and_begins(name):
    rehearsal = Rehearsal(name)

    await rehearsal.go(1)

    assert rehearsal.plant.bms.closed.all()


async def test_a_frequency_event_steps_stays_and_recovers():
    rehearsal = Rehearsal("frequency-event")
    grid = rehearsal.plant.grid
    seen: dict[int, float] = {}
    for second in (59, 60, 119, 135, 151, 214, 218, 270, 350):
        await rehearsal.go(second)
        seen[second] = grid.frequency_offset_hz

    assert seen[59] == 0
    assert seen[60] == seen[119] == pytest.approx(-0.2)
    assert seen[135] == pytest.approx(-0.1)
    assert seen[151] == 0
    assert seen[214] == pytest.approx(0.075)
    assert seen[218] == seen[270] == pytest.approx(0.15)
    assert seen[350] == 0


async def test_a_recorded_course_of_frequency_is_followed(tmp_path):
    (tmp_path / "course.csv").write_text("time_s,deviation_hz\n0,0\n10,-0.4\n20,0.1\n30,0\n")
    (tmp_path / "s.toml").write_text(
        'name = "s"\ndescription = ""\n'
        '[[events]]\nat_s = 5\nkind = "grid_frequency"\nfile = "course.csv"\n'
    )
    rehearsal = Rehearsal("s.toml", tmp_path)

    seen = []
    for second in (10, 15, 25, 40):
        await rehearsal.go(second)
        seen.append(rehearsal.plant.grid.frequency_offset_hz)

    assert seen == pytest.approx([-0.2, -0.4, 0.1, 0.0])


def short_circuit_signs(plant: Plant) -> dict[str, bool]:
    rack, cell = 9, 129
    voltage, temperature = plant.cell_voltage_v[rack], plant.thermal.temperature_c[rack]
    fire = plant.dangers.fires[1]
    return {
        "voltage": bool(np.median(voltage) - voltage[cell] > VOLTAGE_RESIDUAL_V),
        "temperature": bool(
            temperature[cell] - np.median(temperature) > TEMPERATURE_RESIDUAL_K + 1
        ),
        "trip": bool(plant.bms.alarms[rack] & CELL_OVERTEMPERATURE),
        "gas": fire.hydrogen_ppm > 100,
        "smoke": fire.smoke,
        "fire": fire.state is FireState.FIRE,
        "converter": plant.converters[1].state is PcsState.FAULT,
    }


async def test_an_internal_short_shows_in_voltage_minutes_before_the_bms_trips_and_then_burns():
    rehearsal = Rehearsal("thermal-runaway")

    await rehearsal.go(1800, power_kw=-50, look=short_circuit_signs)

    seen = rehearsal.first
    assert 60 < seen["voltage"] < seen["temperature"] < seen["trip"] - 180
    assert seen["trip"] < seen["cell_vents 9/130"] <= seen["gas"] < seen["cell_runaway 9/130"]
    assert seen["cell_runaway 9/130"] <= seen["smoke"]
    assert seen["fire"] <= seen["converter"]
    assert {"cell_runaway 9/129", "cell_runaway 9/131"} <= set(seen)
    assert rehearsal.plant.converters[0].connected
    assert rehearsal.plant.cell_voltage_v[9, 129] == 0
    assert rehearsal.plant.bms.closed[:6].all()


def overcharge_signs(plant: Plant) -> dict[str, bool]:
    rack, cell = 5, 129
    return {
        "overvoltage": bool(plant.cell_voltage_v[rack, cell] > 3.7),
        "gas": plant.dangers.fires[0].hydrogen_ppm > 20,
        "trip": bool(plant.bms.alarms[rack]),
    }


async def test_an_overcharged_cell_gives_off_hydrogen_before_the_bms_trips_and_is_saved_by_it():
    rehearsal = Rehearsal("thermal-runaway-overcharge")

    await rehearsal.go(1500, power_kw=-553, look=overcharge_signs)

    seen = rehearsal.first
    assert seen["overvoltage"] < seen["valve_opens 5/130"] <= seen["gas"] < seen["trip"] - 60
    assert rehearsal.plant.bms.alarms[5] == CELL_OVERTEMPERATURE
    assert not [name for name in seen if name.startswith("cell_")]


async def test_without_charging_the_hidden_full_cell_harms_nobody():
    rehearsal = Rehearsal("thermal-runaway-overcharge")

    await rehearsal.go(600, power_kw=50, look=overcharge_signs)

    assert rehearsal.first == {}


async def test_an_insulation_fault_of_a_rack_goes_with_its_contactor():
    rehearsal = Rehearsal("insulation-fault")
    monitor = rehearsal.plant.dangers.insulation[0]

    await rehearsal.go(61)
    faulty = monitor.positive_kohm
    rehearsal.plant.bms.command_open(3)
    await rehearsal.go(63)
    isolated = monitor.positive_kohm
    await rehearsal.go(961)
    rehearsal.plant.close_contactor(3)
    await rehearsal.go(963)

    assert faulty == 90
    assert isolated > 2000
    assert monitor.positive_kohm > 2000
    assert rehearsal.plant.bms.closed[3]


async def test_welded_contactors_go_on_carrying_current_and_their_feedback_differs():
    rehearsal = Rehearsal("contactor-weld")
    plant = rehearsal.plant
    confirming, stuck = 2, 10
    await rehearsal.go(5, power_kw=200)

    plant.bms.command_open(confirming)
    plant.bms.command_open(stuck)
    await rehearsal.go(10, power_kw=200)

    assert plant.rack_current_a[[confirming, stuck]].min() > 20
    assert not plant.bms.feedback_closed[confirming]
    assert plant.bms.feedback_closed[stuck]


async def test_a_lost_pump_stops_the_flow_and_the_cells_warm():
    rehearsal = Rehearsal("coolant-loss")
    await rehearsal.go(60, power_kw=500)

    assert list(rehearsal.plant.chillers.flowing) == [True, False]
    await rehearsal.go(1500, power_kw=500)
    with_flow, without = rehearsal.plant.thermal.temperature_c.reshape(2, -1).mean(axis=1)
    await rehearsal.go(1900)

    assert without > with_flow + 0.7
    assert rehearsal.plant.chillers.flowing.all()


async def test_unbalanced_racks_start_apart_in_charge_capacity_and_resistance():
    cells = Rehearsal("unbalanced-racks").plant.cells

    soc = cells.rack_soc().reshape(2, 6)
    capacity = cells.capacity_ah.mean(axis=1)

    assert soc.mean(axis=1) == pytest.approx([0.65, 0.40], abs=0.005)
    assert np.ptp(soc, axis=1) == pytest.approx(0.12, abs=0.005)
    assert np.ptp(capacity) / capacity.mean() == pytest.approx(0.12, abs=0.02)
    assert np.ptp(cells.resistance_factor.mean(axis=1)) == pytest.approx(0.4, abs=0.04)


async def test_a_derated_converter_falls_short_of_its_set_point_and_says_nothing():
    rehearsal = Rehearsal("converter-derate")
    await rehearsal.go(70, power_kw=200)

    weak, sound = rehearsal.plant.converters

    assert weak.active_w == pytest.approx(120e3)
    assert sound.active_w == pytest.approx(200e3)
    assert weak.active_setpoint_w == 200e3
    assert weak.state is PcsState.RUNNING
    await rehearsal.go(670, power_kw=200)
    assert weak.active_w == pytest.approx(200e3)


async def test_the_emergency_stop_is_pressed_and_pulled_out_and_the_reset_is_pressed():
    rehearsal = Rehearsal("emergency-stop")
    panel, bms = rehearsal.plant.panel, rehearsal.plant.bms

    await rehearsal.go(60, power_kw=100)
    tripped = [converter.state for converter in rehearsal.plant.converters]
    await rehearsal.go(62)
    opened = not bms.closed.any()
    await rehearsal.go(201)

    assert tripped == [PcsState.FAULT] * 2
    assert opened
    assert panel.reset_pressed
    assert not panel.emergency_stop
    assert rehearsal.plant.close_contactor(0)


async def test_the_switch_goes_to_local_and_back():
    rehearsal = Rehearsal("local-control")

    await rehearsal.go(61)
    local = rehearsal.plant.panel.remote
    await rehearsal.go(361)

    assert not local
    assert rehearsal.plant.panel.remote


async def test_the_requests_of_the_dispatch_centre_leave_the_plant_alone():
    rehearsal = Rehearsal("agc-day")

    await rehearsal.go(400)

    assert all(converter.active_setpoint_w == 0 for converter in rehearsal.plant.converters)
