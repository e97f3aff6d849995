from dataclasses import replace

import numpy as np
import pytest

from cell_lab.anomaly.train import MAKE
from cell_lab.parameter_files import parameters_of
from station.estimators.anomaly import place_of
from station.estimators.anomaly.differences import OFFSET, SOC, follow, no_differences
from station.estimators.anomaly.inputs import Block
from station.estimators.cell_model import build_cell_model

MODEL = build_cell_model(parameters_of(MAKE))
CELLS = 32
PLACE = place_of(np.zeros(CELLS, np.intp), 1)


def block(soc, current, voltage_v):
    """Return sixteen seconds of one rack whose cells differ in voltage alone."""
    one = {
        name: np.zeros(1, np.float32)
        for name in ("current_variance", "sum_off_v", "peer_off", "power_off", "model_off")
    }
    still = np.zeros(CELLS, np.float32)
    return Block(
        span_s=np.full(1, 16, np.float32),
        current=np.full(1, current, np.float32),
        soc=np.full(1, soc, np.float32),
        voltage_v=voltage_v,
        temperature_c=np.full(CELLS, 25, np.float32),
        voltage_on_current=still,
        still_voltage=still,
        still_temperature=still,
        **one,
    )


def voltages(seed, off_v=0.0):
    """Return voltages with a sensor's noise, the first cell's off by so much."""
    noise = 2e-4 * np.random.default_rng(seed).standard_normal(CELLS)
    noise[0] += off_v
    return (3.2 + noise).astype(np.float32)


def test_a_cell_thought_empty_on_the_flat_is_believed_full_where_the_curve_is_steep():
    state = no_differences(PLACE, len(MODEL.lag_s))
    mean = state.mean.copy()
    mean[SOC, 0] = -0.03
    covariance = state.covariance.copy()
    covariance[SOC, SOC] = 0.01**2
    state = replace(state, mean=mean, covariance=covariance)

    for number in range(12):
        state, _ = follow(MODEL, state, block(0.08, 0.0, voltages(number)), PLACE)

    assert abs(state.mean[SOC, 0]) < 0.003


@pytest.mark.parametrize(("current", "grows"), [(0.0, False), (0.5, True)])
def test_the_open_circuit_curve_becomes_another_only_while_charge_moves(current, grows):
    state = no_differences(PLACE, len(MODEL.lag_s))
    covariance = state.covariance.copy()
    covariance[OFFSET, OFFSET] = 1e-4**2
    state = replace(state, covariance=covariance)

    for number in range(60):
        quiet = voltages(number)
        state, _ = follow(MODEL, state, block(0.6, current, quiet), PLACE)

    assert bool(state.covariance[OFFSET, OFFSET, 0] > (1.5e-4) ** 2) is grows
