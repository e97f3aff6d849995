"""One batch of cells, as a driver brings it: scaled, checked, marked, and brought to a few numbers.

Spikes and cells that stand still become questionable: they are told as they are, for what looks odd
may be the beginning of a fault. A rack whose mean shows a wrong unit becomes invalid as a whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from contract.layouts import Layout
from station.preprocessing.check import NO_MISTAKE, Found, Grid, Seconds, Seen, check
from station.preprocessing.settings import CellChecks
from station.preprocessing.summary import Extremes, extremes

SIGNALS = ("cell_voltage_v", "cell_temperature_c")
_NAMES = {"cell_voltage_v": "cells_voltage", "cell_temperature_c": "cells_temperature"}
_UNITS = {"cell_voltage_v": "v", "cell_temperature_c": "c"}
_GOOD, _QUESTIONABLE, _INVALID = (
    np.uint8(Quality.GOOD),
    np.uint8(Quality.QUESTIONABLE),
    np.uint8(Quality.INVALID),
)
Marks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Memory:
    """What is remembered of racks of one layout, by signal."""

    seen: tuple[Seen, Seen]

    @classmethod
    def nothing(cls, racks: int, cells: int) -> "Memory":
        """Return the memory before the first sample."""
        return cls((Seen.nothing(racks, cells), Seen.nothing(racks, cells)))

    def of(self, racks: npt.NDArray[np.intp]) -> "Memory":
        """Return the memory of some racks."""
        return Memory((self.seen[0].of(racks), self.seen[1].of(racks)))

    def with_racks(self, racks: npt.NDArray[np.intp], other: "Memory") -> "Memory":
        """Return the memory after some racks have been seen anew."""
        return Memory(
            (
                self.seen[0].with_racks(racks, other.seen[0]),
                self.seen[1].with_racks(racks, other.seen[1]),
            )
        )


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What a batch comes to.

    Attributes:
        quality: of every value, marked; shape (racks, 2 x cells).
        found: by signal, in the order of SIGNALS.
        summary: signals of the layout ``estimate.summary``, (racks,) each.
    """

    quality: Marks
    found: tuple[Found, Found]
    summary: dict[str, npt.NDArray[np.float64]]


def preprocess(
    checks: CellChecks,
    before: Memory,
    batch: tuple[Layout, tuple[npt.NDArray[Any], ...], Marks],
    time_s: Seconds,
) -> tuple[Preprocessed, Memory]:
    """Return what a batch comes to, and what is remembered then.

    Args:
        checks: what is looked for.
        before: what is remembered of the racks of the batch.
        batch: layout of the cells, raw voltages and temperatures (racks, cells), and the quality
            of both side by side (racks, 2 x cells).
        time_s: device times, (racks,).
    """
    layout, raw, told = batch
    quality, cells = told.copy(), layout.columns[0].repeat
    founds: list[Found] = []
    memories: list[Seen] = []
    summary: dict[str, npt.NDArray[np.float64]] = {}
    for column, name in enumerate(SIGNALS):
        marks = quality[:, column * cells : (column + 1) * cells]
        values = _scaled(raw[column], layout.columns[column].signal.scale, marks)
        found, seen = check(getattr(checks, name), before.seen[column], values, time_s)
        _mark(marks, found)
        summary |= _named(name, extremes(values, marks < _INVALID))
        founds.append(found)
        memories.append(seen)
    either = founds[0].spike | founds[1].spike
    still = founds[0].frozen | founds[1].frozen
    usable = (quality < _INVALID).reshape(len(quality), 2, cells).all(axis=1)
    summary["cells_usable"] = usable.sum(axis=1).astype(np.float64)
    summary["cells_spiking"] = either.sum(axis=1).astype(np.float64)
    summary["cells_frozen"] = still.sum(axis=1).astype(np.float64)
    done = Preprocessed(quality, (founds[0], founds[1]), summary)
    return done, Memory((memories[0], memories[1]))


def _scaled(raw: npt.NDArray[Any], scale: float, marks: Marks) -> Grid:
    values: Grid = raw * np.float32(scale)
    bad = marks >= _INVALID
    if bad.any():
        values[bad] = np.nan
    return values


def _mark(marks: Marks, found: Found) -> None:
    """Lower the quality of what was found, in place."""
    odd = found.spike | found.frozen
    if odd.any():
        marks[odd & (marks == _GOOD)] = _QUESTIONABLE
    mistaken = found.mistake != NO_MISTAKE
    if mistaken.any():
        marks[mistaken] = np.maximum(marks[mistaken], _INVALID)


def _named(signal: str, of: Extremes) -> dict[str, npt.NDArray[np.float64]]:
    name, unit = _NAMES[signal], _UNITS[signal]
    return {
        f"{name}_max_{unit}": of.high,
        f"{name}_min_{unit}": of.low,
        f"{name}_mean_{unit}": of.mean,
        f"{name}_deviation_{unit}": of.deviation,
        f"{name}_max_index": of.high_cell,
        f"{name}_min_index": of.low_cell,
    }
