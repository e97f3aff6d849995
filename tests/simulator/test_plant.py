import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.dangers import CellHeating
from simulator.physics.bms import CELL_OVERTEMPERATURE, RAPID_TEMPERATURE_RISE
from simulator.physics.converter import Point
from simulator.plant import Plant
from tests.simulator.small import small_plant


def energy_residual_j(plant: Plant, stored_before_j: float) -> float:
    e = plant.energy
    lost = e.cell_heat + e.wiring_loss + e.converter_loss + e.auxiliary
    return plant.stored_energy_j() - stored_before_j + e.discharged - e.charged + lost


def rated_w(plant: Plant) -> float:
    """Half a C of the small plant: its converter is far too large for its few cells."""
    p = plant.parameters
    return 0.5 * p.capacity_ah * 3.2 * p.cells_per_rack * p.racks_per_container


def test_energy_balances_over_a_day_of_charging_and_discharging():
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345)
    before = plant.stored_energy_j()
    hourly_kw = [-200, -50, 0, 300, 100, 0, -330, -60, 345, 20]

    for kw in hourly_kw:
        for _ in range(1800):
            plant.step(2.0, [kw * 1e3])

    through = plant.energy.discharged + plant.energy.charged
    assert plant.bms.closed.all()
    assert through > 4e9
    assert abs(energy_residual_j(plant, before)) < 1e-4 * through


@settings(max_examples=15, deadline=None)
@given(powers=st.lists(st.floats(-1, 1), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_energy_balances_whatever_is_asked(powers, seed):
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345, seed=seed)
    before = plant.stored_energy_j()

    for part in powers:
        for _ in range(120):
            plant.step(1.0, [part * 345e3])

    e = plant.energy
    turnover = e.discharged + e.charged + e.converter_loss + e.auxiliary
    assert abs(energy_residual_j(plant, before)) < 1e-3 * turnover


def test_heat_balances():
    plant = small_plant()
    before = plant.thermal.stored_heat_j()

    plant.dangers.heatings.append(CellHeating(1, 5, 50.0))
    for _ in range(3600):
        plant.step()

    e = plant.energy
    gained = plant.thermal.stored_heat_j() - before
    assert gained == pytest.approx(
        e.cell_heat + e.scenario_heat - e.coolant_heat - e.ambient_heat, abs=1.0
    )


def test_a_charge_and_discharge_return_less_than_was_taken():
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345)
    start = plant.mean_soc()
    for _ in range(3600):
        plant.step(1.0, [-300e3])
    charged = plant.energy.charged
    while plant.mean_soc() > start:
        plant.step(1.0, [300e3])

    efficiency = plant.energy.discharged / charged

    assert 0.78 < efficiency < 0.95


def test_the_same_seed_is_the_same_plant_and_another_is_not():
    first, second, other = small_plant(seed=4), small_plant(seed=4), small_plant(seed=5)
    for plant in (first, second, other):
        plant.step(10.0)

    assert np.array_equal(first.cell_voltage_v, second.cell_voltage_v)
    assert not np.array_equal(first.cell_voltage_v, other.cell_voltage_v)


def test_racks_of_different_charge_even_out_through_the_bus():
    plant = small_plant(cells_per_rack=416, racks_per_container=2, start_soc=0.12)
    plant.cells.soc[0] += 0.1
    gap = float(np.ptp(plant.cells.rack_soc()))

    for _ in range(1800):
        plant.step()

    assert float(np.ptp(plant.cells.rack_soc())) < 0.8 * gap


def test_a_hot_cell_warns_first_and_then_opens_its_rack():
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345)
    plant.dangers.heatings.append(CellHeating(1, 216, 900.0))

    for _ in range(60):
        plant.step()
    assert plant.bms.warnings[1] & RAPID_TEMPERATURE_RISE
    assert plant.bms.closed.all()
    for _ in range(300):
        plant.step()

    assert plant.bms.alarms[1] & CELL_OVERTEMPERATURE
    assert list(plant.bms.closed) == [True, False]
    assert int(plant.thermal.temperature_c[1].argmax()) == 216


def test_discharging_to_the_end_opens_the_racks_and_trips_the_converter():
    plant = small_plant(cells_per_rack=416, racks_per_container=2, pcs_rated_kw=345, start_soc=0.06)

    for _ in range(1800):
        plant.step(1.0, [200e3])

    assert not plant.bms.closed.any() or plant.converters[0].active_w < 100e3
    assert float(plant.cells.soc.min()) > -0.02


def test_the_meter_sees_the_converters_less_the_auxiliaries():
    plant = small_plant()
    plant.converters[0].command(Point.ACTIVE_POWER, rated_w(plant))
    plant.step()
    plant.step()

    expected = rated_w(plant) - float(plant.auxiliary_w.sum())

    assert plant.grid_power_w == pytest.approx(expected, rel=1e-9)


def two_plants_of_different_pace(**changes: object) -> tuple[Plant, Plant]:
    size = {"cells_per_rack": 416, "racks_per_container": 2, "pcs_rated_kw": 345}
    return small_plant(**size, **changes), small_plant(**size, **changes, cell_period_s=1.0)


def test_energy_balances_when_cells_follow_once_a_second():
    _, plant = two_plants_of_different_pace()
    before = plant.stored_energy_j()

    for second in range(120):
        for part in range(20):
            plant.step(0.05, [(-1) ** second * 300e3 + 10e3 * part])

    turnover = plant.energy.discharged + plant.energy.charged
    assert turnover > 1e7
    assert abs(energy_residual_j(plant, before)) < 1e-4 * turnover


def test_cells_that_follow_once_a_second_stand_where_those_of_every_step_stand():
    fine, coarse = two_plants_of_different_pace()

    for second in range(60):
        for _ in range(20):
            for plant in (fine, coarse):
                plant.step(0.05, [300e3 if second < 40 else -150e3])

    assert np.abs(coarse.cell_voltage_v - fine.cell_voltage_v).max() < 1e-3
    assert np.abs(coarse.thermal.temperature_c - fine.thermal.temperature_c).max() < 0.02
    assert np.abs(coarse.cells.soc - fine.cells.soc).max() < 1e-5


def test_a_converter_ramps_and_the_meter_moves_between_two_steps_of_the_cells():
    _, plant = two_plants_of_different_pace()
    plant.step(1.0, [0.0])
    before_v = plant.cell_voltage_v

    powers = []
    for _ in range(10):
        plant.step(0.05, [300e3])
        powers.append(plant.grid_power_w)

    assert all(later > earlier for earlier, later in itertools.pairwise(powers))
    assert plant.cell_voltage_v is before_v
