"""Recordings of a made cell whose true state is known, and the house's real one."""

from pathlib import Path

import numpy as np

from cell_lab.recordings import Recording
from station.estimators.cell_model import FIRST_TERM_COLUMN, HYSTERESIS_COLUMN, CellModel

REAL = Path(__file__).parents[2] / "data" / "battery" / "recordings" / "esc26650_25c.parquet"


def made_recording(
    model: CellModel,
    seconds: int,
    start_soc: float,
    mean_c_rate: float,
    *,
    seed: int = 1,
    temperature_c: float = 25.0,
) -> Recording:
    """Return a drive of a cell that is exactly as its model says, sampled each second."""
    random = np.random.default_rng(seed)
    capacity = model.capacity_ah
    steps = np.repeat(random.normal(mean_c_rate, 0.5, seconds // 20 + 1), 20)[:seconds]
    steps[:60] = 0.0
    current_a = steps * capacity
    counts = np.where(current_a < 0, model.counting.charge, 1.0) / model.counting.capacity
    soc = start_soc - np.cumsum(current_a * counts) / 3600 / capacity
    lagged = np.zeros((len(model.lag_s), 1))
    hysteresis = 0.0
    voltage_v = np.empty(seconds)
    keeps = np.where(model.lag_s > 0, np.exp(-1 / np.maximum(model.lag_s, 1e-6)), 0.0)[:, None]
    for row in range(seconds):
        kinetic = np.arcsinh(current_a[row] / model.kinetic_a) * model.kinetic_a
        drive = np.where(model.kinetic, kinetic, current_a[row])[:, None]
        lagged = keeps * lagged + (1 - keeps) * drive
        keep = np.exp(-abs(current_a[row]) / 3600 / capacity * model.hysteresis_rate)
        hysteresis = keep * hysteresis + (1 - keep) * np.sign(current_a[row])
        values, _ = model.look_up(np.float32([soc[row]]), np.float32([temperature_c]))
        over = (values[FIRST_TERM_COLUMN:] * lagged).sum()
        voltage_v[row] = values[0, 0] - values[HYSTERESIS_COLUMN, 0] * hysteresis - over
    return Recording(
        cell="made",
        profile=f"drive {seed}",
        chamber_c=temperature_c,
        capacity_ah=capacity,
        time_s=np.arange(seconds, dtype=float),
        elapsed_s=np.ones(seconds),
        voltage_v=voltage_v,
        current_a=current_a,
        temperature_c=np.full(seconds, temperature_c),
        soc=soc,
    )
