from dataclasses import replace

import numpy as np
import pytest

from cell_lab.simulate import (
    Drive,
    Stress,
    age,
    fresh,
    nominal_cells,
    rested,
    simulate,
    stationary,
    stress_of,
    worn,
)
from tests.cell_lab.simulate.made import a_make


def _stored(soc: float, temperature_c: float) -> Stress:
    one = np.ones(1)
    return Stress(temperature_c * one, soc * one, 0 * one, 0 * one, 0 * one)


def test_a_year_in_the_store_costs_what_was_measured_in_a_store():
    # Naumann 2018: about 4 % in the first year at 25 deg C and half full.
    year = age(fresh(1, seed=1, pace_sd=0), _stored(0.5, 25), 365)

    assert 1 - year.soh[0] == pytest.approx(0.042, abs=0.004)


def test_ageing_in_parts_is_ageing_in_one():
    stress = Stress(*(np.full(1, value) for value in (30.0, 0.6, 0.5, 0.8, 1.0)))
    wear = fresh(1, seed=1)

    for _ in range(10):
        wear = age(wear, stress, 36.5)

    assert wear.soh == pytest.approx(age(fresh(1, seed=1), stress, 365).soh, abs=1e-9)


def test_heat_and_full_cells_age_faster():
    wear = fresh(1, seed=1, pace_sd=0)

    hot = age(wear, _stored(0.5, 40), 365)
    full = age(wear, _stored(1.0, 25), 365)
    cool = age(wear, _stored(0.5, 25), 365)

    assert hot.soh < cool.soh
    assert full.soh < cool.soh
    assert hot.resistance_ratio > cool.resistance_ratio > 1


def test_a_week_of_a_station_becomes_its_years():
    make = a_make()
    rates, soc = stationary("pv_commercial", start_day=180, hours=168, seed=1, step_s=30)
    drive = Drive(rates[None] * make.capacity_ah, np.full((1, len(rates)), 25.0), 30)
    cells = nominal_cells(make, 1)
    trace, _ = simulate(make, cells, drive, rested(make, soc, 25.0))

    wear = age(fresh(1, seed=1), stress_of(trace, cells.capacity_ah), 5 * 365)
    old = worn(cells, wear)

    assert 0.6 < wear.soh[0] < 0.95
    assert 800 < wear.full_cycles[0] < 4000
    assert old.capacity_ah[0] == pytest.approx(make.capacity_ah * wear.soh[0])
    assert (old.resistance > replace(cells).resistance).all()
