"""Early signs of thermal runaway: gas, residual temperature and residual voltage together.

A cell is compared with the median of its rack, and that residual with what has been usual for
the cell (a slow mean, with a slow mean deviation as its scale). A deviation counts from
`begin_z` scales on and fully at `full_z`. A cell's evidence is the sum of temperature and
voltage; gas of its container is added once the cell itself shows something, and stands alone
otherwise. Evidence of 1 is a warning. What is usual is not learnt from a cell that shows
evidence, so a slow fault does not become usual.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.protection.cells import CellGrid, Flags, Grid, Ints, top
from station.protection.rules import EarlySettings

_MEAN_DEVIATION_TO_SIGMA = 1.2533
"""Of a normal distribution: sqrt(pi / 2)."""
_FREEZE_FROM = 0.05
"""Evidence from which a cell's usual residual is no longer learnt."""


@dataclass(frozen=True, eq=False)
class Channel:
    """One residual of many cells or detectors: smoothed, usual, and usual deviation."""

    smooth: Grid
    usual: Grid
    deviation: Grid


@dataclass(frozen=True, eq=False)
class EarlyState:
    """What is remembered.

    Attributes:
        devices: racks of the grid; `panels` tags of gas detectors.
        seen_s: (racks,), (panels,): for how long each has been watched.
        temperature, voltage: channels (racks, cells); `gas` (panels, 2): hydrogen, CO.
        times_ms, gas_times_ms: device times taken last.
        rack_score, rack_cell: evidence of the cells of each rack, without gas.
        gas_score: evidence of each detector.
    """

    devices: tuple[str, ...]
    panels: tuple[str, ...]
    seen_s: npt.NDArray[np.float64]
    gas_seen_s: npt.NDArray[np.float64]
    temperature: Channel
    voltage: Channel
    gas: Channel
    times_ms: Ints
    gas_times_ms: Ints
    rack_score: npt.NDArray[np.float64]
    rack_cell: Ints
    gas_score: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GasReadings:
    """Gas at all panels: ppm (panels, 2), device times (panels,), NaN where not known."""

    panels: tuple[str, ...]
    ppm: Grid
    times_ms: Ints


def watch(
    grid: CellGrid, gas: GasReadings, before: EarlyState | None, settings: EarlySettings
) -> EarlyState:
    """Return the evidence after one more picture of cells and gas."""
    same = before is not None and before.devices == grid.devices and before.panels == gas.panels
    if before is None or not same or before.temperature.usual.shape != grid.voltage_v.shape:
        return _start(grid, gas)
    dt_s = _elapsed(grid.times_ms, before.times_ms)
    gas_dt_s = _elapsed(gas.times_ms, before.gas_times_ms)
    seen_s, gas_seen_s = before.seen_s + dt_s, before.gas_seen_s + gas_dt_s
    temperature, middle_v = _residual(grid.temperature_c), _median(grid.voltage_v)
    voltage, scale = grid.voltage_v - middle_v, _voltage_scale(middle_v, settings)
    warm, hot = _step(
        before.temperature,
        temperature,
        _Clock(dt_s, seen_s),
        settings.temperature_floor_k,
        settings,
    )
    shifted, moved = _step(before.voltage, voltage, _Clock(dt_s, seen_s), scale, settings)
    gassed, smelt = _step(
        before.gas, gas.ppm, _Clock(gas_dt_s, gas_seen_s), settings.gas_floor_ppm, settings
    )
    score, cell = top((np.maximum(hot, 0) + np.abs(moved)).astype(np.float32))
    gas_score, _ = top(np.maximum(smelt, 0).astype(np.float32))
    return EarlyState(
        devices=grid.devices,
        panels=gas.panels,
        seen_s=seen_s,
        gas_seen_s=gas_seen_s,
        temperature=warm,
        voltage=shifted,
        gas=gassed,
        times_ms=np.maximum(grid.times_ms, before.times_ms),
        gas_times_ms=np.maximum(gas.times_ms, before.gas_times_ms),
        rack_score=np.where(seen_s >= settings.settle_s, score, 0.0),
        rack_cell=cell,
        gas_score=np.where(gas_seen_s >= settings.settle_s, gas_score, 0.0),
    )


@dataclass(frozen=True, eq=False)
class _Clock:
    """Seconds since the last picture and since the first one, (rows,)."""

    dt_s: npt.NDArray[np.float64]
    seen_s: npt.NDArray[np.float64]


def _step(
    before: Channel, value: Grid, clock: _Clock, floor: float | Grid, settings: EarlySettings
) -> tuple[Channel, Grid]:
    """Advance one channel; return it and its signed evidence, -1..1 (NaN where not known)."""
    dt = clock.dt_s[:, None].astype(np.float32)
    seen = clock.seen_s[:, None].astype(np.float32)
    known = ~np.isnan(value)
    fresh = known & np.isnan(before.smooth)
    smooth = before.smooth + (1 - np.exp(-dt / settings.smooth_s)) * (value - before.smooth)
    smooth = np.where(fresh, value, np.where(known, smooth, before.smooth))
    usual = np.where(np.isnan(before.usual), smooth, before.usual)
    away = smooth - usual
    # A fault that grows slowly must not widen what is tolerated without end.
    scale = np.clip(
        _MEAN_DEVIATION_TO_SIGMA * before.deviation, floor, settings.most_floors * floor
    )
    excess = (np.abs(away) / scale - settings.begin_z) / (settings.full_z - settings.begin_z)
    evidence = np.clip(excess, 0, 1)
    # While it settles the mean of all that was seen, then a slow mean: no long blind start.
    first = np.where(seen <= settings.settle_s, np.minimum(1, dt / (seen + 1e-6)), 0)
    gain = np.maximum(1 - np.exp(-dt / settings.baseline_s), first)
    learn = known & (evidence < _FREEZE_FROM) & (dt > 0)
    usual = np.where(learn, usual + gain * away, usual)
    deviation = np.where(
        learn, before.deviation + gain * (np.abs(away) - before.deviation), before.deviation
    )
    signed = (np.sign(away) * evidence).astype(np.float32)
    return _channel(smooth, usual, deviation), signed


def _channel(smooth: Grid, usual: Grid, deviation: Grid) -> Channel:
    return Channel(
        smooth.astype(np.float32), usual.astype(np.float32), deviation.astype(np.float32)
    )


def _start(grid: CellGrid, gas: GasReadings) -> EarlyState:
    def channel(value: Grid) -> Channel:
        return Channel(value, value, np.zeros_like(value))

    racks, panels = len(grid.devices), len(gas.panels)
    return EarlyState(
        devices=grid.devices,
        panels=gas.panels,
        seen_s=np.zeros(racks),
        gas_seen_s=np.zeros(panels),
        temperature=channel(_residual(grid.temperature_c)),
        voltage=channel(_residual(grid.voltage_v)),
        gas=channel(gas.ppm),
        times_ms=grid.times_ms,
        gas_times_ms=gas.times_ms,
        rack_score=np.zeros(racks),
        rack_cell=np.zeros(racks, dtype=np.int64),
        gas_score=np.zeros(panels),
    )


def _elapsed(now_ms: Ints, before_ms: Ints) -> npt.NDArray[np.float64]:
    elapsed: npt.NDArray[np.float64] = np.clip((now_ms - before_ms) / 1000, 0.0, 60.0)
    return elapsed


def _median(values: Grid) -> Grid:
    """Return the median of each row's known values, (rows, 1); NaN without any."""
    unknown: Flags = np.isnan(values)
    if not unknown.any():
        middle: Grid = np.median(values, axis=1, keepdims=True)
        return middle
    count = (~unknown).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN comes last
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum(0, (count - 1) // 2)]
    high = ordered[rows, np.maximum(0, count // 2)]
    found = np.where(count > 0, (low + high) / 2, np.nan)
    return found[:, None].astype(np.float32)


def _residual(values: Grid) -> Grid:
    residual: Grid = values - _median(values)
    return residual


def _voltage_scale(middle_v: Grid, settings: EarlySettings) -> Grid:
    low, high = settings.plateau_v
    inside = (middle_v >= low) & (middle_v <= high)
    wide = settings.voltage_floor_v * settings.outside_plateau
    return np.where(inside, settings.voltage_floor_v, wide).astype(np.float32)
