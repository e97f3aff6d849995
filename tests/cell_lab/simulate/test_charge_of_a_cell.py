"""From simulated samples to the numbers that the SOH models are given."""

from dataclasses import replace

import numpy as np

from cell_lab.simulate import Cells, Drive, nominal_cells, rested, simulate
from station.estimators import CellModel, Samples
from station.estimators.charge_ends import ChargeEndRule, start_charge_ends, step_charge_ends
from station.estimators.soh_features import CHARGE_END
from tests.cell_lab.simulate.made import a_make

RULE = ChargeEndRule(upper_v=3.6, from_a=0.5, to_a=0.1)


def _charged(make: CellModel, cells: Cells) -> dict[str, float]:
    hours = np.concatenate([np.zeros(60), np.full(2 * 3600, -make.capacity_ah), np.zeros(60)])
    drive = Drive(hours[None], np.full((1, len(hours)), 25.0))
    trace, _ = simulate(make, cells, drive, rested(make, 0.2, 25.0))
    state, one, told = start_charge_ends(np.zeros(1, np.intp), 1), np.ones(1, np.float32), []
    for row in range(len(trace.voltage_v)):
        moment = Samples(
            one,
            trace.current_a[row],
            one > 0,
            trace.voltage_v[row],
            trace.temperature_c[row],
            one > 0,
        )
        state, numbers = step_charge_ends(RULE, state, moment)
        told += [] if numbers is None else [numbers[0]]
    (numbers,) = told
    return dict(zip(CHARGE_END, numbers, strict=True))


def test_a_cell_of_another_age_shows_it_in_the_end_of_its_charge():
    make = a_make()
    fresh = replace(nominal_cells(make, 1), high_v=np.array([3.6]))
    smaller = replace(fresh, capacity_ah=0.8 * fresh.capacity_ah)
    stiffer = replace(fresh, resistance=1.5 * fresh.resistance)

    before, small, stiff = (_charged(make, cells) for cells in (fresh, smaller, stiffer))

    assert all(np.isfinite(value) for value in (*before.values(), *small.values()))
    assert small["CC_Q"] < 0.95 * before["CC_Q"]
    assert stiff["voltage_mean"] != before["voltage_mean"]
    assert stiff["CV_charge_time"] > before["CV_charge_time"]
    assert 3.4 < before["voltage_mean"] < 3.6
    assert 0.1 < before["current_mean"] < 0.5
    assert before["voltage_skewness"] > 0
