"""The course of every cell: how fast it warms, and whether it runs away.

All cells of all racks are one array (racks, cells); racks with fewer cells are filled up with
NaN. Pictures of some seconds ago are kept, so that a rise is taken over a window and not from
noise. A temperature or voltage that has left the range of its sensor never ends a runaway.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.protection.rules import CellSettings
from station.protection.states import RackState

Grid = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_LONGEST_STEP_S = 10.0
"""A gap longer than this says nothing about a rate per second."""


@dataclass(frozen=True, eq=False)
class CellGrid:
    """All cells now: voltages and temperatures (racks, cells), device times (racks,)."""

    devices: tuple[str, ...]
    voltage_v: Grid
    temperature_c: Grid
    times_ms: Ints
    fresh: Flags


@dataclass(frozen=True, eq=False)
class CellCourse:
    """What is remembered: the last picture, older ones, and for how long a cell runs away.

    Attributes:
        last: the picture of the last cycle.
        past: pictures `snapshot_s` apart, oldest first.
        rise_k_per_min: (racks,), NaN before enough is known; `rise_cell` 1-based.
        hot_s: (racks, cells): for how long each cell has warmed at the runaway rate.
        runaway_s: (racks,): the longest such time with the second sign; `runaway_cell` 1-based.
    """

    last: CellGrid
    past: tuple[CellGrid, ...]
    rise_k_per_min: npt.NDArray[np.float64]
    rise_cell: Ints
    hot_s: Grid
    runaway_s: npt.NDArray[np.float64]
    runaway_cell: Ints


def cell_grid(racks: tuple[RackState, ...]) -> CellGrid | None:
    """Return the cells of all racks that tell them as one grid; None when none does."""
    told = [rack for rack in racks if rack.cells is not None]
    if not told:
        return None
    width = max(rack.cells.voltage_v.size for rack in told if rack.cells is not None)
    voltage = np.full((len(told), width), np.nan, dtype=np.float32)
    temperature = np.full((len(told), width), np.nan, dtype=np.float32)
    for k, rack in enumerate(told):
        if rack.cells is not None:
            size = rack.cells.voltage_v.size
            voltage[k, :size] = rack.cells.voltage_v
            temperature[k, :size] = rack.cells.temperature_c
    return CellGrid(
        devices=tuple(rack.device for rack in told),
        voltage_v=voltage,
        temperature_c=temperature,
        times_ms=np.array([r.cells.time_ms for r in told if r.cells is not None], dtype=np.int64),
        fresh=np.array([r.cells.fresh for r in told if r.cells is not None], dtype=np.bool_),
    )


def empty_grid() -> CellGrid:
    """Return the grid of a plant that tells no cells."""
    cells = np.zeros((0, 1), dtype=np.float32)
    return CellGrid((), cells, cells, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))


def follow(grid: CellGrid, before: CellCourse | None, settings: CellSettings) -> CellCourse:
    """Return the course of the cells with one more picture."""
    if before is None or not _same(before.last, grid):
        nothing = np.full(len(grid.devices), np.nan)
        none = np.zeros(len(grid.devices), dtype=np.int64)
        still = np.zeros_like(grid.voltage_v)
        return CellCourse(grid, (grid,), nothing, none, still, np.zeros(len(none)), none)
    dt_s = (grid.times_ms - before.last.times_ms) / 1000
    if not (dt_s > 0).any():
        return before
    past = _remember(before.past, grid, settings)
    rise, rise_cell = _rise(past, grid, settings)
    hot_s = _hot(grid, before, dt_s, settings)
    runaway_s, runaway_cell = _runaway(past, grid, hot_s, settings)
    return CellCourse(grid, past, rise, rise_cell, hot_s, runaway_s, runaway_cell)


def top(values: Grid) -> tuple[npt.NDArray[np.float64], Ints]:
    """Return the largest known value of each row and its 1-based index; NaN and 0 without."""
    known = np.where(np.isnan(values), -np.inf, values)
    index = known.argmax(axis=1)
    best = known[np.arange(len(known)), index].astype(np.float64)
    nothing = np.isneginf(best)
    return np.where(nothing, np.nan, best), np.where(nothing, 0, index + 1).astype(np.int64)


def _same(one: CellGrid, other: CellGrid) -> bool:
    return one.devices == other.devices and one.voltage_v.shape == other.voltage_v.shape


def _newest_ms(grid: CellGrid) -> int:
    return int(grid.times_ms.max())


def _remember(
    past: tuple[CellGrid, ...], grid: CellGrid, settings: CellSettings
) -> tuple[CellGrid, ...]:
    now = _newest_ms(grid)
    kept = tuple(p for p in past[:-1] if now - _newest_ms(p) <= settings.rise_window_s * 1000)
    kept = (*kept, past[-1])
    return (*kept, grid) if now - _newest_ms(kept[-1]) >= settings.snapshot_s * 1000 else kept


def _rise(
    past: tuple[CellGrid, ...], grid: CellGrid, settings: CellSettings
) -> tuple[npt.NDArray[np.float64], Ints]:
    minutes = (grid.times_ms - past[0].times_ms) / 60_000
    enough = minutes * 60 >= settings.rise_least_s
    most, cell = top(grid.temperature_c - past[0].temperature_c)
    return np.where(enough, most / np.where(enough, minutes, 1.0), np.nan), cell


def _hot(
    grid: CellGrid, before: CellCourse, dt_s: npt.NDArray[np.float64], settings: CellSettings
) -> Grid:
    """Count the seconds at the runaway rate; an unreadable temperature keeps the count."""
    column = dt_s[:, None].astype(np.float32)
    step = grid.temperature_c - before.last.temperature_c
    hot = np.where(step >= settings.runaway_k_per_s * column, before.hot_s + column, 0.0)
    # A cell that was running away and whose reading is gone is not a cold cell.
    hot = np.where(np.isnan(step), before.hot_s, hot)
    hot = np.where(column <= 0, before.hot_s, np.where(column > _LONGEST_STEP_S, 0.0, hot))
    return hot.astype(np.float32)


def _runaway(
    past: tuple[CellGrid, ...], grid: CellGrid, hot_s: Grid, settings: CellSettings
) -> tuple[npt.NDArray[np.float64], Ints]:
    if not hot_s.any():
        none = np.zeros(len(grid.devices), dtype=np.int64)
        return np.zeros(len(none)), none
    reference = past[0].voltage_v
    kept = (1 - settings.runaway_voltage_drop) * reference
    fallen = ~(grid.voltage_v >= kept) & ~np.isnan(reference)
    hottest = ~(grid.temperature_c < settings.maker_max_c) & (hot_s > 0)
    return top(np.where(fallen | hottest, hot_s, 0.0).astype(np.float32))
