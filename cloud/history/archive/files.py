"""One Parquet file of an archive: all samples of one layout in one month.

A row group is one device on one day, or a part of it where that has very many rows: readers find a
device and a day by the statistics of row groups, and a restore holds one of them in memory.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from cloud.history.archive.format import depth, encodings, schema_of, table_of
from cloud.history.archive.manifest import ArchivedFile, Sums
from cloud.history.archive.store import Sink
from contract.frame import Frame, Quality
from contract.layouts import Layout

_MOST_ROWS: Final = 4_000_000
"""Rows of a row group: a day of a rack of 460 cells at 10 s, about 100 MB in memory."""


def file_names(layouts: Iterable[Layout]) -> dict[str, Layout]:
    """Name a file for every layout; layouts of one name are told apart by their hash."""
    named: defaultdict[str, set[bytes]] = defaultdict(set)
    known = {layout.hash8: layout for layout in layouts}
    for layout in known.values():
        named[re.sub(r"[^A-Za-z0-9._-]", "-", layout.name)].add(layout.hash8)
    return {
        f"{name}.parquet" if len(hashes) == 1 else f"{name}.{hash8.hex()}.parquet": known[hash8]
        for name, hashes in sorted(named.items())
        for hash8 in sorted(hashes)
    }


def split(frames: Sequence[Frame], layout: Layout) -> list[list[Frame]]:
    """Cut frames in order into pieces of at most `_MOST_ROWS` rows, but at least one frame."""
    pieces: list[list[Frame]] = []
    rows = 0
    for frame in frames:
        own = int(frame.present.sum()) * depth(layout)
        if not pieces or rows + own > _MOST_ROWS:
            pieces.append([])
            rows = 0
        pieces[-1].append(frame)
        rows += own
    return pieces


@dataclass
class Filling:
    """One Parquet file while it is written.

    Attributes:
        sink: where it goes.
        layout: of its frames.
        rows, groups: written so far.
        samples: their number; each has as many rows as the layout has cells.
        devices: whose.
        first_ms, last_ms: times of the first and the last sample.
    """

    sink: Sink
    layout: Layout
    rows: int = 0
    groups: int = 0
    samples: int = 0
    devices: set[str] = field(default_factory=set)
    first_ms: int = 1 << 62
    last_ms: int = -1

    def __post_init__(self) -> None:
        self._sums = [[0, 0] for _ in self.layout.columns]
        self._writer = pq.ParquetWriter(
            self.sink,
            schema_of(self.layout),
            compression="zstd",
            use_dictionary=["device"],
            column_encoding=encodings(self.layout),
            store_decimal_as_integer=True,
        )

    def add(self, frames: Sequence[Frame]) -> None:
        """Write one row group."""
        table = table_of(frames, self.layout)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows
        self.groups += 1
        for frame in frames:
            times = frame.times_ms[frame.present]
            self.samples += len(times)
            self.devices.add(frame.device)
            self.first_ms = min(self.first_ms, int(times.min()))
            self.last_ms = max(self.last_ms, int(times.max()))
            for sums, column in zip(self._sums, self.layout.columns, strict=True):
                usable = frame.quality_of(column.signal.name) < Quality.INVALID
                sums[0] += int(usable.sum())
                if not column.signal.dtype.startswith("f"):
                    sums[1] += int(frame.raw(column.signal.name)[usable].sum(dtype=np.int64))

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()

    def described(self, name: str) -> ArchivedFile:
        """What the manifest says of it."""
        signals = {
            column.signal.name: Sums(values, None if column.signal.dtype.startswith("f") else total)
            for (values, total), column in zip(self._sums, self.layout.columns, strict=True)
        }
        return ArchivedFile(
            *(name, self.layout.name, self.sink.sha256.hex(), self.sink.size),
            *(self.rows, self.groups, self.samples, len(self.devices)),
            *(self.first_ms, self.last_ms, signals),
        )
