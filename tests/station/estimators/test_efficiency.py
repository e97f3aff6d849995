"""Energy conversion efficiency, charge and discharge apart, against the energies of made cells."""

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import build_cell_model, efficiency
from station.estimators.efficiency import balanced, new_balance, system_efficiency
from station.estimators.meter import count, new_meter, turned
from tests.station.estimators.plants import Plant
from tests.station.estimators.stations import settings_of, visit_of

MODEL = build_cell_model(parameters_of("esc26650"))
STEP_S = 2


def cycled(settings, plant, c_rates):
    """Return the state after steps at these currents, a visit every fifth of them."""
    cells = len(settings.rack)
    state, meter = efficiency.nothing_moved(cells, 1), new_meter(1)
    state = efficiency.look(state, meter, visit_of(MODEL, plant.soc))
    for number, c_rate in enumerate(c_rates):
        samples = plant.second(c_rate, elapsed_s=STEP_S)
        meter, moved = count(meter, samples, MODEL)
        state = efficiency.moved(state, settings.rack, moved, samples.voltage_v)
        if number % 5 == 4:
            visit = visit_of(MODEL, plant.soc)
            state, meter = efficiency.look(state, meter, visit), turned(meter, visit.racks)
    return state


@pytest.fixture(scope="module")
def cells_after_a_cycle():
    settings = settings_of(MODEL, racks=1, cells=3)
    plant = Plant(settings, np.full(3, 0.9), np.ones(3), np.array([1.0, 1.3, 2.0]))
    rates = [0.5] * 2500 + [0.0] * 300 + [-0.5] * 2500 + [0.0] * 300
    return plant, cycled(settings, plant, rates), settings


def test_efficiencies_are_those_of_the_cells_within_their_intervals(cells_after_a_cycle):
    plant, state, settings = cells_after_a_cycle

    found = efficiency.of_cells(MODEL, state, settings.rack)

    discharge, charge = plant.out_wh / plant.given_wh, plant.taken_wh / plant.into_wh
    assert (np.abs(found.discharge - discharge) < found.discharge_half_width).all()
    assert (np.abs(found.charge - charge) < found.charge_half_width).all()
    assert found.discharge_half_width.max() < 0.005


def test_a_rest_changes_no_efficiency(cells_after_a_cycle):
    plant, state, settings = cells_after_a_cycle
    before = efficiency.of_cells(MODEL, state, settings.rack)

    none = np.zeros(1, np.float32)
    rested = efficiency.moved(state, settings.rack, none, np.full(3, 3.0, np.float32))
    meter = new_meter(1)
    rested = efficiency.look(rested, meter, visit_of(MODEL, plant.soc))

    after = efficiency.of_cells(MODEL, rested, settings.rack)
    np.testing.assert_allclose(after.discharge, before.discharge, rtol=1e-6)
    np.testing.assert_allclose(after.charge, before.charge, rtol=1e-6)


def test_nothing_is_told_before_enough_was_moved():
    settings = settings_of(MODEL, racks=1, cells=2)
    plant = Plant(settings, np.full(2, 0.6), np.ones(2), np.ones(2))

    found = efficiency.of_cells(MODEL, cycled(settings, plant, [0.5] * 60), settings.rack)

    assert np.isnan(found.discharge).all()
    assert np.isnan(found.charge).all()


def test_the_interval_of_a_rack_keeps_what_its_cells_share(cells_after_a_cycle):
    _, state, settings = cells_after_a_cycle
    cells = efficiency.of_cells(MODEL, state, settings.rack)

    of_few, _ = efficiency.of_racks(MODEL, state, np.array([3]))
    of_many, _ = efficiency.of_racks(MODEL, state, np.array([10_000]))

    assert of_many[0] < of_few[0] < cells.discharge_half_width[0]
    assert of_many[0] > 0.3 * of_few[0]


def test_the_stations_efficiency_is_out_over_in_less_what_is_still_stored():
    balance = new_balance()
    settings = settings_of(MODEL, racks=1, cells=1)
    plant = Plant(settings, np.full(1, 0.1), np.ones(1), np.ones(1))
    for power_kw, c_rate in ((-1.0, -0.8), (0.5, 0.4)):
        samples = plant.second(c_rate, elapsed_s=3600)
        ocv_kv = np.float32([0.9 / (0.8 * MODEL.capacity_ah)])
        balance = balanced(balance, samples, np.float32([power_kw]), ocv_kv, np.ones(1))

    assert system_efficiency(balance, 1.0) == pytest.approx(0.5 / (1 - 0.45), rel=0.02)
    assert np.isnan(system_efficiency(balance, 100.0))


def test_a_second_in_which_a_power_is_not_known_is_left_out():
    settings = settings_of(MODEL, racks=1, cells=1)
    samples = Plant(settings, np.full(1, 0.5), np.ones(1), np.ones(1)).second(0.5)

    after = balanced(new_balance(), samples, np.float32([np.nan]), np.ones(1), np.ones(1))

    assert after.out == 0
