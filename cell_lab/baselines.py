"""What the estimator is compared with: counting charge, and the text-book filter."""

import numpy as np

from cell_lab.grid import Floats, Grid
from station.estimators.cell_model import FIRST_TERM_COLUMN, NORMAL_90, OCV_COLUMN, CellModel

_TOLD_VARIANCE = 0.2**2
_VOLTAGE_VARIANCE = 0.02**2
_DRIFT_VARIANCE_PER_S = (3e-6) ** 2
_WARMEST_CORE_K = 15.0
_LARGEST_CORRECTION = 0.02
"""Of SOC in one sample: without it the flat middle throws the filter off for good."""


def count_charge(grid: Grid, capacity_ah: Floats) -> Floats:
    """Return SOC counted from the one that was told, shape (samples, cases)."""
    drawn = np.cumsum(grid.current_a * grid.elapsed_s, axis=0) / (3600 * capacity_ah)
    return np.clip(grid.told - drawn, 0, 1).astype(np.float32)


def plain_filter(model: CellModel, grid: Grid, capacity_ah: Floats) -> tuple[Floats, Floats]:
    """Run an extended Kalman filter of SOC alone, with white noise, over all cases.

    It has the same cell model but no hysteresis, no sensor offset and no lasting model error
    (the form of Plett 2004, J. Power Sources 134, part 3, with SOC as its one state).

    Returns:
        SOC and half the width of its 90 % interval, shape (samples, cases).
    """
    rows, cases = grid.good.shape
    soc = grid.told.copy()
    variance = np.full(cases, _TOLD_VARIANCE, np.float32)
    lagged_a = np.zeros((len(model.lag_s), cases), np.float32)
    core_k = np.zeros(cases, np.float32)
    track, half_width = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    for row in range(rows):
        current_a, elapsed_s = grid.current_a[row], grid.elapsed_s[row]
        good = grid.good[row]
        soc = np.clip(soc - current_a * elapsed_s / (3600 * capacity_ah), -0.02, 1.04)
        variance = variance + _DRIFT_VARIANCE_PER_S * elapsed_s
        kinetic_a = np.arcsinh(current_a / model.kinetic_a) * model.kinetic_a
        drive = np.where(model.kinetic[:, None], kinetic_a, current_a)
        lag_s = np.maximum(model.lag_s, 1e-3)[:, None]
        keep = np.exp(-elapsed_s / lag_s)
        lagged_a = np.where(good, keep * lagged_a + (1 - keep) * drive, lagged_a)
        values, slopes = model.look_up(soc.astype(np.float32), grid.temperature_c[row] + core_k)
        over_v = (values[FIRST_TERM_COLUMN:] * lagged_a).sum(axis=0)
        expected = values[OCV_COLUMN] - over_v
        keeps_k = np.exp(-elapsed_s / model.core.lag_s)
        loss_w = np.where(good, np.maximum(current_a * over_v, 0), 0)
        core_k = keeps_k * core_k + (1 - keeps_k) * model.core.k_per_w * loss_w
        core_k = np.minimum(core_k, _WARMEST_CORE_K).astype(np.float32)
        rise = slopes[OCV_COLUMN] - (slopes[FIRST_TERM_COLUMN:] * lagged_a).sum(axis=0)
        gain = variance * rise / (rise * rise * variance + _VOLTAGE_VARIANCE)
        correction = gain * (grid.voltage_v[row] - expected)
        soc = soc + np.where(
            good, np.clip(correction, -_LARGEST_CORRECTION, _LARGEST_CORRECTION), 0
        )
        variance = np.where(good, np.maximum((1 - gain * rise) * variance, 1e-9), variance)
        track[row], half_width[row] = np.clip(soc, 0, 1), NORMAL_90 * np.sqrt(variance)
    return track, half_width
