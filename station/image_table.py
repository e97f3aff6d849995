"""All devices of one layout of single values side by side: what is asked of hundreds of racks.

A table is made of a frozen picture when somebody first asks for it, once a cycle.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from contract.layouts import Layout
from station.samples import Sample

Floats = npt.NDArray[np.float64]
_INVALID = int(Quality.INVALID)


class Row(Protocol):
    """What a table is made of; see `station.image.PointRow`."""

    @property
    def sample(self) -> Sample:
        """Raw scaled integers."""

    @property
    def stale(self) -> bool:
        """Nobody may act on it."""

    @property
    def arrived_ms(self) -> int:
        """On the steady clock."""


@dataclass(frozen=True, eq=False)
class Table:
    """The newest rows of all devices that tell a layout of single values.

    Attributes:
        layout: theirs.
        place: of each device in the arrays, by tag.
        values: in the units of the signals, NaN where not usable, shape (columns, devices).
        time_ms: device times, shape (devices,).
        arrived_ms: on the steady clock, shape (devices,).
        stale: shape (devices,).
    """

    layout: Layout
    place: Mapping[str, int]
    values: Floats
    time_ms: npt.NDArray[np.int64]
    arrived_ms: npt.NDArray[np.int64]
    stale: npt.NDArray[np.bool_]

    def column(self, signal: str) -> Floats:
        """Return a signal of all devices, stale or not, shape (devices,)."""
        found: Floats = self.values[self.layout.column(signal)]
        return found

    def fresh(self, signal: str) -> Floats:
        """Return a signal of all devices, NaN where it is stale."""
        return np.where(self.stale, np.nan, self.column(signal))

    def number(self, device: str, signal: str) -> float:
        """Return a signal of one device, NaN when it is unknown, stale or not usable."""
        at = self.place.get(device)
        if at is None or self.stale[at]:
            return math.nan
        return float(self.values[self.layout.column(signal), at])


class TableRow:
    """One device in the table of its layout; nothing is known of one that was never heard.

    Attributes:
        fresh: it was heard and is not stale; stale values are told all the same.
        time_ms: device time, 0 when it was never heard.
    """

    def __init__(self, table: Table, tag: str) -> None:
        """Look at a device by its tag."""
        at = table.place.get(tag)
        self.fresh = at is not None and not table.stale[at]
        self.time_ms = 0 if at is None else int(table.time_ms[at])
        self._table, self._at = table, at

    def number(self, signal: str) -> float:
        """Return a signal, NaN when not usable."""
        if self._at is None:
            return math.nan
        return float(self._table.values[self._table.layout.column(signal), self._at])

    def integer(self, signal: str) -> int | None:
        """Return a state or bit field, None when not usable."""
        value = self.number(signal)
        return int(value) if math.isfinite(value) else None

    def flag(self, signal: str) -> bool | None:
        """Return a yes or no, None when not usable."""
        value = self.integer(signal)
        return None if value is None else bool(value)

    def index(self, signal: str) -> int:
        """Return a number that counts from 1, 0 when not usable."""
        return self.integer(signal) or 0


def table_of(layout: Layout, rows: Iterable[Row]) -> Table:
    """Return the table of rows of one layout; without any rows it has no devices."""
    found = list(rows)
    samples = [row.sample for row in found]
    columns = [np.zeros(0, kind) for kind in layout.dtypes]
    quality = np.zeros((0, layout.width), np.uint8)
    if samples:
        by_column: Iterable[tuple[npt.NDArray[Any], ...]] = zip(
            *(sample.values for sample in samples), strict=True
        )
        columns = [np.concatenate(parts) for parts in by_column]
        quality = np.concatenate([sample.quality for sample in samples])
    values = np.array(columns, np.float64)
    values *= _scales(layout)
    values[quality.reshape(-1, layout.width).T >= _INVALID] = np.nan
    return Table(
        layout=layout,
        place={sample.device: at for at, sample in enumerate(samples)},
        values=values,
        time_ms=np.array([sample.time_ms for sample in samples], np.int64),
        arrived_ms=np.array([row.arrived_ms for row in found], np.int64),
        stale=np.array([row.stale for row in found], np.bool_),
    )


@lru_cache(maxsize=64)
def _scales(layout: Layout) -> Floats:
    return np.array([[column.signal.scale] for column in layout.columns])
