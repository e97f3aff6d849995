"""Peer: Parquet files (delta and zstd) with a column per signal and a table per layout, by DuckDB.

A row group is one device: its day, or its year of quarter hours. Times are epoch milliseconds.
A batch is taken in as one file per layout, on disk before the next is offered.
"""

import importlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench._history_copy import Rows, table_of, wide_rows
from bench._history_record import DAY_MS, POWER, QUARTER_MS, Answer, Record, values_in
from bench._history_store import Absent, Peer, maps_of, scales_of
from contract.frame import Frame
from contract.layout import Layout

_LARGE = "large"
_RECENT_MS = 60_000
"""How old cells may be to be the newest at a time: what a file's statistics are pruned by."""
_LEAST_GROUP = 4_096
"""Rows of a group at least: a group per device of a batch would be all headers."""


class _Files:
    """Files of one folder: TABLE/NAME.NUMBER.parquet, NAME from the layout."""

    name = "Parquet + DuckDB"

    def __init__(self, folder: Path, conn: Any) -> None:
        self._folder = folder
        self._conn = conn
        self._conn.execute("SET parquet_metadata_cache = true")
        self._layouts: dict[str, dict[str, Layout]] = {}
        self._values: dict[str, int] = {}

    def ingest(self, batches: Sequence[Sequence[Frame]]) -> list[float]:
        times = []
        for number, batch in enumerate(batches):
            every = self._rows(_LARGE, batch)
            began = time.perf_counter()
            for rows in every:
                self._write(rows, number)
            times.append(time.perf_counter() - began)
        return times

    def load(self, record: Record) -> None:
        for table, frames in record.tables.items():
            self._values[table] = values_in(frames)
            for rows in self._rows(table, frames):
                self._write(rows, 0)

    def bytes_per_value(self) -> tuple[float, float]:
        seconds, cells = (
            sum(file.stat().st_size for file in self._folder.glob(f"{table}_*"))
            / self._values[table]
            for table in ("seconds", "cells")
        )
        return seconds, cells

    def last_all(self) -> Answer:
        return (np.concatenate([*self._newest(_LARGE, "true", []).values()]),)

    def series(self, table: str, device: str, signal: str, span: tuple[int, int]) -> Answer:
        return self._ask(table, (device, signal), "at_ms, {value}", "ORDER BY at_ms", span)

    def buckets(self, device: str, signal: str, span: tuple[int, int]) -> Answer:
        start = f"at_ms - at_ms % {QUARTER_MS}"
        columns = f"{start}, avg({{value}}), min({{value}}), max({{value}})"
        return self._ask("seconds", (device, signal), columns, "GROUP BY 1 ORDER BY 1", span)

    def daily_energy(self, device: str, span: tuple[int, int]) -> Answer:
        columns = f"at_ms - at_ms % {DAY_MS}, sum({{value}}) / 4"
        return self._ask("quarters", (device, POWER), columns, "GROUP BY 1 ORDER BY 1", span)

    def cells_at(self, at_ms: int) -> Answer:
        condition = "at_ms <= ? AND at_ms > ?"
        rows = self._newest("cells", condition, [at_ms, at_ms - _RECENT_MS])
        return maps_of(np.stack([*rows.values()]))

    def _ask(
        self, table: str, of: tuple[str, str], columns: str, order: str, span: tuple[int, int]
    ) -> Answer:
        """Times, and what else the columns say of a signal, in its unit."""
        layout = self._layouts[table][of[0]]
        device = [*self._layouts[table]].index(of[0])
        value = f"c{layout.offset(of[1])[0]}"
        query = (
            f"SELECT {columns.format(value=value)} FROM {self._files(table, layout)}"  # noqa: S608
            f" WHERE device = ? AND at_ms >= ? AND at_ms < ? {order}"
        )
        times, *values = self._fetch(query, [device, *span]).values()
        scale = layout.signal(of[1]).scale
        return times.astype(np.float64), *(column * scale for column in values)

    def _newest(
        self, table: str, condition: str, parameters: Sequence[int]
    ) -> dict[int, NDArray[np.float64]]:
        """The newest row of every device, in units, in the order of the frames."""
        found: dict[int, NDArray[np.float64]] = {}
        for layout in {one.name: one for one in self._layouts[table].values()}.values():
            columns = self._fetch(
                f"SELECT * FROM {self._files(table, layout)} WHERE {condition}"  # noqa: S608
                " QUALIFY row_number() OVER (PARTITION BY device ORDER BY at_ms DESC) = 1",
                parameters,
            )
            _, devices, *values = columns.values()
            rows = np.stack(values, axis=1) * scales_of(layout)
            found |= dict(zip(devices.tolist(), rows, strict=True))
        return {device: found[device] for device in sorted(found)}

    def _fetch(self, query: str, parameters: Sequence[int]) -> Mapping[str, NDArray[np.float64]]:
        columns: Mapping[str, NDArray[np.float64]] = self._conn.execute(
            query, parameters
        ).fetchnumpy()
        return columns

    def _rows(self, table: str, frames: Sequence[Frame]) -> list[Rows]:
        self._layouts[table] = {frame.device: frame.layout for frame in frames}
        return wide_rows(table, frames, range(len(frames)))

    def _files(self, table: str, layout: Layout) -> str:
        return f"read_parquet('{self._folder}/{table_of(table, layout.name)}.*.parquet')"

    def _write(self, rows: Rows, number: int) -> None:
        """Write a file, rows in the order of device and time, and wait for the disk."""
        order = np.argsort(rows.columns["device"], kind="stable")
        table = pa.table({name: column[order] for name, column in rows.columns.items()})
        devices = len(np.unique(rows.columns["device"]))
        with (self._folder / f"{rows.table}.{number}.parquet").open("wb") as file:
            pq.write_table(
                table,
                file,
                compression="zstd",
                use_dictionary=False,
                column_encoding=dict.fromkeys(rows.columns, "DELTA_BINARY_PACKED"),
                row_group_size=max(len(order) // devices, _LEAST_GROUP),
            )
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def open_parquet() -> Iterator[Peer]:
    """Files in a folder that is removed at the end.

    Raises:
        Absent: DuckDB is not installed; only benchmarks and tests need it.
    """
    try:
        duckdb: Any = importlib.import_module("duckdb")
    except ImportError as error:
        raise Absent("Parquet + DuckDB: duckdb is not installed (pip install duckdb)") from error
    with (
        duckdb.connect() as conn,
        tempfile.TemporaryDirectory(prefix="stationmaster-bench-") as folder,
    ):
        yield _Files(Path(folder), conn)
