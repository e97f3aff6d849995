"""The simulator against a day that PyBaMM told; bench/_cells_pybamm.py makes the day anew."""

import numpy as np

from bench._cells_pybamm import DAY
from bench.cells import the_day


def test_a_day_of_an_identified_cell_is_that_of_the_electrochemical_model():
    told = np.load(DAY)

    ours = the_day()

    apart_mv = 1000 * np.abs(ours.voltage_v[:, 0] - told["voltage_v"])
    warmer_k = np.abs(ours.temperature_c[:, 0] - told["temperature_c"])
    assert len(apart_mv) == 8640
    assert np.sqrt(np.mean(apart_mv**2)) < 10
    assert np.quantile(apart_mv, 0.99) < 30
    assert np.sqrt(np.mean(warmer_k**2)) < 0.3
    assert ours.temperature_c.max() - 25 > 0.3
