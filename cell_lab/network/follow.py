"""The networks as methods of the SOC table: fused with the filter, and a plain one alone."""

import numpy as np

from cell_lab.grid import Floats, Grid
from cell_lab.track import Progress, Track
from station.estimators import fused
from station.estimators.cell_model import NORMAL_90, CellModel
from station.estimators.network import Network
from station.estimators.network_inputs import plain_inputs
from station.estimators.network_run import run_second, start_network

_MIDDLE_SOC = np.float32(0.5)
"""A plain network tells SOC as its distance from the middle."""


def follow_fused(
    model: CellModel,
    network: Network | None,
    grid: Grid,
    capacity_ah: Floats,
    progress: Progress | None = None,
    *,
    cautions: fused.Cautions | None = None,
) -> Track:
    """Run what a station runs over all cases, from a cold start.

    `cautions` trusts the network otherwise than its file says, case by case.
    """
    rows, cases = grid.good.shape
    state = fused.cold_start(model, network, np.arange(cases), cases, grid.told)
    soc, half_width = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    searching = np.zeros((rows, cases), bool)
    for row in range(rows):
        state, estimate = fused.step(
            model, network, state, grid.samples(row), capacity_ah, cautions=cautions
        )
        soc[row], half_width[row] = estimate.soc, estimate.half_width
        searching[row] = state.soc.searching
        if progress is not None:
            progress((row + 1) / rows)
    return Track(soc, half_width, searching)


def follow_plain(network: Network, grid: Grid, capacity_ah: Floats) -> Track:
    """Return what a network of voltage, current and temperature alone tells."""
    rows, cases = grid.good.shape
    state = start_network(network, cases, cases)
    soc, half_width = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    voltage_v, temperature_c = grid.voltage_v[0], grid.temperature_c[0]
    rack = np.arange(cases)
    for row in range(rows):
        good = grid.good[row]
        voltage_v = np.where(good, grid.voltage_v[row], voltage_v)
        temperature_c = np.where(good, grid.temperature_c[row], temperature_c)
        c_rate = np.where(good, grid.current_a[row] / capacity_ah, np.float32(0))
        inputs = plain_inputs(voltage_v, c_rate, temperature_c)
        state, told, log_sd = run_second(network, state, inputs, rack)
        soc[row] = np.clip(_MIDDLE_SOC + told, 0, 1)
        half_width[row] = NORMAL_90 * network.facts.trust.sd_times * np.exp(log_sd)
    return Track(soc, half_width)
