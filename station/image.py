"""The process image: the newest value, quality and time of every point, frozen once a cycle.

Age is the larger of two times: since the sample arrived and since the device measured it. So
a silent line, a device whose clock stands still and a replay of old data are all seen as what
they are. A sample older than its limit is *stale*; nobody may act on it, and it says so
everywhere. Everything in a cycle sees one frozen picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import layouts
from contract.frame import Quality
from contract.layouts import Layout
from station.image_table import Table, table_of
from station.samples import Sample

__all__ = ["Image", "PointRow", "ProcessImage", "Table"]

CELLS_PREFIX = "rack.cells/"
ESTIMATES_PREFIX = "estimate"
"""Of layouts that no device sends: they say nothing of whether a device is heard."""
_INVALID = int(Quality.INVALID)
"""A member of an enumeration costs more to look up than the comparison it is for."""

_AHEAD_MS = 60_000
"""A device clock that is ahead by more is wrong: profiles allow so much, see `max_error_s`."""


@dataclass(frozen=True, eq=False)
class PointRow:
    """The newest row of one device in one layout, as one cycle sees it.

    Attributes:
        sample: the row itself, raw scaled integers.
        layout: its layout.
        age_s: seconds since arrival or measurement, whichever is longer ago.
        arrived_ms: when it arrived, on the steady clock.
        stale: the age is past the limit of this layout, or the device is disconnected.
        before: the sample before this one, kept of cells alone.
        empty_s: for how long no value at all has been usable, once that is past the same limit.
        scaled: what has been asked of this sample before, by signal, also in earlier cycles.
        found: what others have reckoned from this sample, by their own names, as `scaled`.
    """

    sample: Sample
    layout: Layout
    age_s: float
    stale: bool
    arrived_ms: int = 0
    before: Sample | None = None
    scaled: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)
    found: dict[str, Any] = field(default_factory=dict, repr=False)
    empty_s: float = 0.0

    def physical(self, signal: str) -> npt.NDArray[np.float64]:
        """Return the values of a signal in its unit, shape (repeat,); NaN where not usable."""
        known = self.scaled.get(signal)
        if known is None:
            known = self.scaled[signal] = _physical(self.sample, self.layout, signal)
            known.flags.writeable = False
        return known

    def physical_before(self, signal: str) -> npt.NDArray[np.float64]:
        """Return what the sample before told of a signal; NaN where that is not known."""
        if self.before is None:
            return np.full(self.layout.columns[self.layout.column(signal)].repeat, np.nan)
        return _physical(self.before, self.layout, signal)

    def number(self, signal: str) -> float:
        """Return the (first) value of a signal in its unit, NaN when not usable."""
        return float(self.physical(signal)[0])

    def integer(self, signal: str) -> int | None:
        """Return the raw value of a state or bit field, None when not usable."""
        column = self.layout.column(signal)
        start, _ = self.layout.offset(signal)
        if self.sample.quality[start] >= _INVALID:
            return None
        return int(self.sample.values[column][0])


def _physical(sample: Sample, layout: Layout, signal: str) -> npt.NDArray[np.float64]:
    column = layout.column(signal)
    start, stop = layout.offset(signal)
    values = sample.values[column].astype(np.float64) * layout.columns[column].signal.scale
    values[sample.quality[start:stop] >= _INVALID] = np.nan
    return values


@dataclass(frozen=True)
class Image:
    """One frozen picture of all devices."""

    at_ms: int
    rows: Mapping[tuple[str, str], PointRow]
    _tables: dict[str, Table] = field(default_factory=dict, repr=False, compare=False)

    def table(self, layout: Layout) -> Table:
        """Return all devices of a layout of single values side by side."""
        found = self._tables.get(layout.name)
        if found is None:
            rows = (row for (_, name), row in self.rows.items() if name == layout.name)
            found = self._tables[layout.name] = table_of(layout, rows)
        return found

    def get(self, device: str, layout: str) -> PointRow | None:
        """Return the newest row of a device, stale or not; None before the first one."""
        return self.rows.get((device, layout))

    def __iter__(self) -> Iterator[PointRow]:
        return iter(self.rows.values())

    def stale_devices(self) -> frozenset[str]:
        """Return the devices of which at least one row that they sent is stale."""
        return frozenset(
            row.sample.device for row in self if row.stale and not is_estimate(row.layout.name)
        )

    def oldest_s(self) -> dict[str, float]:
        """Return the age of the oldest row that devices have sent, by family of layouts."""
        oldest: dict[str, float] = {}
        for row in self:
            name = row.layout.name
            if not is_estimate(name):
                family = layout_family(name)
                oldest[family] = max(row.age_s, oldest.get(family, 0.0))
        return oldest


def is_estimate(layout: str) -> bool:
    """Whether a layout holds what the station's estimators make."""
    return layout.startswith(ESTIMATES_PREFIX)


@lru_cache(maxsize=1024)
def layout_family(layout: str) -> str:
    """Return the key of a layout's staleness limit: cells of any rack size are one family."""
    if layout.startswith(CELLS_PREFIX):
        return "cells"
    return layout.partition("/")[0] if is_estimate(layout) else layout


def _older(sample: Sample, known: Sample) -> bool:
    """Whether a sample tells of an earlier time than the one that is known.

    A known one from the future came of a clock that was wrong: the right one is not older.
    """
    return sample.time_ms <= known.time_ms <= sample.received_ms + _AHEAD_MS


class ProcessImage:
    """Collects samples as they arrive; `freeze` makes the picture of a cycle."""

    def __init__(self, stale_after_s: Mapping[str, float]) -> None:
        """Start empty.

        Args:
            stale_after_s: age limit by layout family (see `layout_family`), seconds.
        """
        self._limits = dict(stale_after_s)
        self._newest: dict[tuple[str, str], _Newest] = {}
        self._disconnected: set[str] = set()

    def update(self, sample: Sample, arrived_ms: int | None = None) -> None:
        """Take a sample, unless a newer one of the same device and layout is known.

        Args:
            sample: what a device said.
            arrived_ms: when it arrived on the steady clock, which no time server moves; where
                only one clock is told of, its own time of arrival.
        """
        key = (sample.device, sample.layout)
        known = self._newest.get(key)
        if known is None:
            limit_s = self._limits[layout_family(sample.layout)]
            known = self._newest[key] = _Newest(sample, 0, layouts.get(sample.layout), limit_s)
        elif _older(sample, known.sample):
            return
        elif sample.layout.startswith(CELLS_PREFIX):
            known.before = known.sample
        known.sample, known.scaled, known.found = sample, {}, {}
        known.arrived_ms = sample.received_ms if arrived_ms is None else arrived_ms
        if known.valued_ms is None or (sample.quality < _INVALID).any():
            known.valued_ms = known.arrived_ms

    def newest(self) -> list[Sample]:
        """Return the newest sample of every stream."""
        return [known.sample for known in self._newest.values()]

    def set_connected(self, device: str, *, connected: bool) -> None:
        """Mark a device's data stale at once when its connection is known to be gone."""
        if connected:
            self._disconnected.discard(device)
        else:
            self._disconnected.add(device)

    def freeze(self, now_ms: int, steady_ms: int) -> Image:
        """Return what is known at a moment; later updates do not change it.

        Args:
            now_ms: epoch time, for the age by the devices' own clocks.
            steady_ms: the clock of `arrived_ms`, for the age since arrival.
        """
        gone = self._disconnected
        rows = {
            key: _row(known, now_ms, steady_ms, lost=key[0] in gone)
            for key, known in self._newest.items()
        }
        return Image(now_ms, MappingProxyType(rows))


@dataclass(slots=True)
class _Newest:
    """What is known of one device in one layout: the newest sample, and when it arrived.

    Of cells the one before as well: one sample alone does not say that a cell is at an extreme.
    """

    sample: Sample
    arrived_ms: int
    layout: Layout
    limit_s: float
    before: Sample | None = None
    scaled: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    valued_ms: int | None = None


def _row(known: _Newest, now_ms: int, steady_ms: int, *, lost: bool) -> PointRow:
    sample = known.sample
    age_s = max(steady_ms - known.arrived_ms, now_ms - sample.time_ms, 0) / 1000
    stale = lost or age_s > known.limit_s
    without_s = 0.0 if known.valued_ms is None else (known.arrived_ms - known.valued_ms) / 1000
    return PointRow(
        *(sample, known.layout, age_s, stale, known.arrived_ms, known.before, known.scaled),
        found=known.found,
        empty_s=without_s if without_s > known.limit_s else 0.0,
    )
