"""Series to train on: what sensors told, what the station believed, and the truth.

The network never sees a clean laboratory. Each series has sensor faults of the sizes that rack
sensors have, lost minutes, and a belief about SOC that wanders as a filter's would: from a wrong
start, with an offset of the current sensor, or with an error that comes and goes.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cell_lab.drives import kinetic, lag
from cell_lab.recordings import Recording, Series
from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
    Floats,
)
from station.estimators.network_inputs import Ambient, Believed, Readings, network_inputs

_KNOT_S = 64
_WARMEST_K = 15.0
_BLOCK = 64
_HAS_FAULT, _HAS_GAPS, _LOST, _HAS_AMBIENT = 0.6, 0.3, 0.05, 0.4
_NEARLY_RIGHT, _NOT_LOST = 0.4, 0.75
"""So many beliefs start nearly right; those beyond the second share start anywhere."""
_MOST_BEYOND = (-0.03, 1.04)


@dataclass(frozen=True)
class Measured:
    """A cell over time, one sample a second: readings and the true SOC, shape (seconds,)."""

    capacity_ah: float
    current_a: Series
    voltage_v: Series
    temperature_c: Series
    soc: Series

    def between(self, first: int, last: int) -> "Measured":
        """Return the seconds from first to before last."""
        cut = slice(first, last)
        return replace(
            self,
            current_a=self.current_a[cut],
            voltage_v=self.voltage_v[cut],
            temperature_c=self.temperature_c[cut],
            soc=self.soc[cut],
        )


@dataclass(frozen=True)
class Example:
    """What the network is given and what it is to find.

    Attributes:
        inputs: shape (seconds, INPUTS).
        error: true minus believed SOC, shape (seconds,).
        soc: the true one.
    """

    inputs: Floats
    error: Floats
    soc: Floats


def every_second(recording: Recording) -> Measured:
    """Return a recording on a grid of seconds: current held, the rest linearly between."""
    time_s = recording.time_s - recording.time_s[0]
    grid_s = np.arange(0.0, time_s[-1])
    place = np.searchsorted(time_s, grid_s, side="left")
    return Measured(
        recording.capacity_ah,
        recording.current_a[place],
        np.interp(grid_s, time_s, recording.voltage_v),
        np.interp(grid_s, time_s, recording.temperature_c),
        np.interp(grid_s, time_s, recording.soc),
    )


def drive_cell(
    truth: CellModel, capacity_ah: float, c_rate: Series, start_soc: float, rng: np.random.Generator
) -> Measured:
    """Return what a made cell does: open loop, for its current is given."""
    current_a = c_rate * truth.capacity_ah
    soc = start_soc - np.cumsum(counted(truth, current_a)) / 3600 / capacity_ah
    warm_keep = np.full(len(c_rate), np.exp(-1 / rng.uniform(900, 3600)))
    warmed = approach(warm_keep, c_rate**2, 0.0) * rng.uniform(1, 8)
    day = np.sin(np.arange(len(c_rate)) * 2 * np.pi / 86400 + rng.uniform(0, 6.3))
    temperature_c = rng.uniform(-20, 45) + warmed + rng.uniform(0, 5) * day
    lagged_a, hysteresis = driven(truth, current_a, capacity_ah, rng.uniform(-1, 1))
    soc32, surface_c = soc.astype(np.float32), temperature_c.astype(np.float32)
    core_k = warmer_inside(truth, soc32, surface_c, current_a, lagged_a)
    values, _ = truth.look_up(soc32, surface_c + core_k)
    overpotential = (values[FIRST_TERM_COLUMN:] * lagged_a).sum(0)
    voltage_v = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * hysteresis - overpotential
    return Measured(capacity_ah, current_a, voltage_v.astype(float), temperature_c, soc)


def driven(
    model: CellModel, current_a: Series, capacity_ah: float, hysteresis: float = 0.0
) -> tuple[Floats, Floats]:
    """Return the currents behind the lags, shape (terms, seconds), and the hysteresis state."""
    kinds = list(zip(model.kinetic.tolist(), model.lag_s.tolist(), strict=True))
    known: dict[tuple[bool, float], Series] = {}
    for is_kinetic, lag_s in dict.fromkeys(kinds):
        drive = kinetic(current_a, model.kinetic_a) if is_kinetic else current_a
        keep = np.full(len(drive), np.exp(-1 / lag_s) if lag_s > 0 else 0.0)
        known[is_kinetic, lag_s] = drive if lag_s == 0 else approach(keep, drive, 0.0)
    state = np.zeros(len(current_a))
    if model.hysteresis_rate > 0:
        moved = np.abs(counted(model, current_a)) / 3600 / capacity_ah
        keep = np.exp(-model.hysteresis_rate * moved)
        state = approach(keep, np.sign(current_a), hysteresis)
    return np.array([known[kind] for kind in kinds], np.float32), state.astype(np.float32)


def counted(model: CellModel, current_a: Series) -> Series:
    """Return the current that moves SOC, as the filter counts it: charging has losses."""
    share = np.where(current_a < 0, model.counting.charge, 1.0) / model.counting.capacity
    moves: Series = current_a * share
    return moves


def warmer_inside(
    model: CellModel, soc: Floats, temperature_c: Floats, current_a: Series, lagged_a: Floats
) -> Floats:
    """Return how much warmer than its thermometer a cell is inside, K, shape (seconds,)."""
    if model.core.k_per_w == 0:
        return np.zeros(len(soc), np.float32)
    values, _ = model.look_up(soc, temperature_c)
    loss_w = current_a * (values[FIRST_TERM_COLUMN:] * lagged_a).sum(0)
    keep = np.full(len(soc), np.exp(-1 / model.core.lag_s))
    warm: Floats = approach(keep, model.core.k_per_w * loss_w, 0.0).clip(0, _WARMEST_K)
    return warm.astype(np.float32)


def approach(keep: Series, drive: Series, start: float) -> Series:
    """Return y with y[n] = keep[n] y[n-1] + (1 - keep[n]) drive[n], from `start` on.

    Within blocks it is a sum of drives over the product of what is kept; the blocks are so short
    that the product stays far from what double precision cannot hold.
    """
    blocks = -(-len(drive) // _BLOCK)
    room = blocks * _BLOCK - len(drive)
    kept = np.cumprod(np.pad(keep, (0, room), constant_values=1.0).reshape(blocks, _BLOCK), axis=1)
    driven_by = np.pad((1 - keep) * drive, (0, room)).reshape(blocks, _BLOCK)
    out = np.cumsum(driven_by / kept, axis=1)
    for row in range(blocks):
        out[row] = kept[row] * (start + out[row])
        start = out[row, -1]
    return out.ravel()[: len(drive)]


def wrong_readings(
    measured: Measured, rng: np.random.Generator
) -> tuple[Measured, npt.NDArray[np.bool_]]:
    """Return the readings with sensor faults, and which seconds were heard at all."""
    seconds, capacity_ah = len(measured.soc), measured.capacity_ah
    some = rng.random(6) < _HAS_FAULT
    offset = some[0] * rng.normal(0, 0.003) * capacity_ah
    current_a = measured.current_a * (1 + some[1] * rng.normal(0, 0.004)) + offset
    voltage_v = measured.voltage_v + some[2] * rng.normal(0, 0.002)
    voltage_v = voltage_v + rng.normal(0, rng.uniform(0, 0.0015), seconds)
    if some[3]:
        step_v = rng.choice([0.001, 0.002, 0.005])
        voltage_v = np.round(voltage_v / step_v) * step_v
    temperature_c = measured.temperature_c + some[4] * rng.normal(0, 2)
    heard = np.ones(seconds, bool)
    if some[5] and rng.random() < _HAS_GAPS:
        minutes = rng.random(seconds // 60 + 1) < _LOST
        heard = ~minutes[np.arange(seconds) // 60]
    return (
        Measured(capacity_ah, current_a, voltage_v, temperature_c, measured.soc),
        heard,
    )


def wandering_belief(soc: Series, rng: np.random.Generator) -> Floats:
    """Return a belief about SOC as a filter's would wander, shape (seconds,)."""
    seconds = len(soc)
    kind = rng.random()
    start = rng.normal(0, 0.02) if kind < _NEARLY_RIGHT else rng.normal(0, 0.08)
    if kind > _NOT_LOST:
        start = rng.uniform(-0.3, 0.3)
    error = start * np.exp(-np.arange(seconds) / np.exp(rng.uniform(np.log(200), np.log(2e5))))
    knots = seconds // _KNOT_S + 2
    spread, lasts_s = np.exp(rng.uniform(np.log(0.002), np.log(0.03))), rng.uniform(300, 20000)
    keep = np.exp(-_KNOT_S / lasts_s)
    shocks = rng.normal(0, spread * np.sqrt(1 - keep**2), knots)
    shocks[0] = rng.normal(0, spread)
    wander = lag(shocks / (1 - keep), np.full(knots, _KNOT_S, float), lasts_s)
    wander += shocks[0] * np.exp(-np.arange(knots) * _KNOT_S / lasts_s)
    error = error + np.interp(np.arange(seconds), np.arange(knots) * _KNOT_S, wander)
    believed: Floats = np.clip(soc + error, *_MOST_BEYOND).astype(np.float32)
    return believed


def example(model: CellModel, measured: Measured, rng: np.random.Generator) -> Example:
    """Return what a station that knows the make would give the network of these readings."""
    told, heard = wrong_readings(measured, rng)
    believed_soc = wandering_belief(measured.soc, rng)
    lagged_a, hysteresis = driven(model, told.current_a, model.capacity_ah)
    temperature_c = told.temperature_c.astype(np.float32)
    core_k = warmer_inside(model, believed_soc, temperature_c, told.current_a, lagged_a)
    nan = float("nan")
    known = rng.random(2) < _HAS_AMBIENT
    ambient = Ambient(
        float(rng.uniform(0, 80_000)) if known[0] else nan,
        float(rng.uniform(0.1, 1)) if known[1] else nan,
    )
    inputs = network_inputs(
        model,
        Believed(believed_soc, hysteresis, lagged_a, core_k),
        Readings(
            told.current_a.astype(np.float32),
            told.voltage_v.astype(np.float32),
            temperature_c,
            heard,
        ),
        np.full(len(believed_soc), model.capacity_ah, np.float32),
        ambient,
    )
    truth = measured.soc.astype(np.float32)
    return Example(np.ascontiguousarray(inputs.T), truth - believed_soc, truth)
