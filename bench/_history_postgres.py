"""Peers in PostgreSQL: a row per value, a row per sample, and both compressed by TimescaleDB.

Times are epoch milliseconds and values raw scaled integers: rows as small as PostgreSQL has them.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.conninfo import make_conninfo

from bench._history_copy import Rows, fetch, narrow_rows, table_of, wide_rows
from bench._history_record import DAY_MS, POWER, QUARTER_MS, Answer, Record, values_in
from bench._history_store import Absent, Opening, Peer, maps_of, scales_of
from contract.frame import Frame
from contract.layout import Layout

_LARGE = "large"
_CHUNKS_MS = {"seconds": DAY_MS, "cells": DAY_MS, "quarters": 30 * DAY_MS, _LARGE: DAY_MS}
_GROUPS = " GROUP BY 1 ORDER BY 1"
_DAYS = f"(at_ms - at_ms %% {DAY_MS})::float8, sum({{value}})::float8"
_BUCKETS = (
    f"(at_ms - at_ms %% {QUARTER_MS})::float8, sum({{value}})::float8 / count(*),"
    " min({value})::float8, max({value})::float8"
)
_NEWEST = (
    "SELECT value::float8 FROM generate_series(0, %s) AS p, LATERAL (SELECT value FROM {table}"
    " WHERE point = p {before} ORDER BY at_ms DESC LIMIT 1) AS newest ORDER BY p"
)

_NEWEST_ROWS = (
    "SELECT newest.* FROM unnest(%s::int[]) AS d, LATERAL (SELECT * FROM {table}"
    " WHERE device = d AND {condition} ORDER BY at_ms DESC LIMIT 1) AS newest"
)

_COMPRESS = (
    "ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = '{key}',"
    " timescaledb.compress_orderby = 'at_ms')"
)


@dataclass(frozen=True)
class _Place:
    """Where a signal's values are: `value` of the rows of `table` whose `key` is `number`."""

    table: str
    value: str
    key: str
    number: int
    scale: float


class _PostgresStore(ABC):
    """What both shapes of rows share: loading, sizes, and questions for one signal."""

    thin = False

    def __init__(self, name: str, conn: psycopg.Connection, *, compressed: bool) -> None:
        self.name = name
        self._conn = conn
        self._compressed = compressed
        self._layouts: dict[str, dict[str, Layout]] = {}
        """table -> device -> its layout, in the order of the frames."""
        self._values: dict[str, int] = {}
        self._tables: dict[str, list[str]] = {}

    def ingest(self, batches: Sequence[Sequence[Frame]]) -> list[float]:
        self._know(_LARGE, batches[0])
        times = []
        for number, batch in enumerate(batches):
            every = self._rows(_LARGE, batch)
            if number == 0:
                self._create(_LARGE, every)
                self._index(every)
            packed = [rows.packed() for rows in every]
            began = time.perf_counter()
            with self._conn.transaction():
                for rows, body in zip(every, packed, strict=True):
                    rows.copy(self._conn, body)
            times.append(time.perf_counter() - began)
        return times

    def load(self, record: Record) -> None:
        record = record.thinned() if self.thin else record
        for table, frames in record.tables.items():
            self._know(table, frames)
            self._values[table] = values_in(frames)
            every = self._rows(table, frames)
            self._create(table, every)
            for rows in every:
                rows.copy(self._conn, rows.packed())
            self._index(every)
            if self._compressed:
                for rows in every:
                    compress = "SELECT compress_chunk(c) FROM show_chunks(%s) AS c"
                    self._conn.execute(compress, [rows.table])
        self._conn.execute("VACUUM ANALYZE")
        self._conn.execute("CHECKPOINT")

    def bytes_per_value(self) -> tuple[float, float]:
        size = "hypertable_size" if self._compressed else "pg_total_relation_size"
        found = []
        for table in ("seconds", "cells"):
            sizes = [self._one(f"SELECT {size}(%s)", [name]) for name in self._tables[table]]
            found.append(sum(sizes) / self._values[table])
        return found[0], found[1]

    def series(self, table: str, device: str, signal: str, span: tuple[int, int]) -> Answer:
        place = self._place(table, device, signal)
        times, values = self._ask(
            place, "at_ms::float8, {value}::float8", " ORDER BY at_ms", span, 2
        )
        return times, values * place.scale

    def buckets(self, device: str, signal: str, span: tuple[int, int]) -> Answer:
        place = self._place("seconds", device, signal)
        starts, mean, lowest, highest = self._ask(place, _BUCKETS, _GROUPS, span, 4)
        return starts, mean * place.scale, lowest * place.scale, highest * place.scale

    def daily_energy(self, device: str, span: tuple[int, int]) -> Answer:
        place = self._place("quarters", device, POWER)
        days, sums = self._ask(place, _DAYS, _GROUPS, span, 2)
        return days, sums * place.scale / 4

    def _ask(
        self, place: _Place, columns: str, order: str, span: tuple[int, int], width: int
    ) -> Answer:
        query = (
            f"SELECT {columns.format(value=place.value)} FROM {place.table}"  # noqa: S608 - our own
            f" WHERE {place.key} = %s AND at_ms >= %s AND at_ms < %s{order}"
        )
        return fetch(self._conn, query, [place.number, *span], width)

    def _know(self, table: str, frames: Sequence[Frame]) -> None:
        self._layouts[table] = {frame.device: frame.layout for frame in frames}

    def _create(self, table: str, every: Sequence[Rows]) -> None:
        self._tables[table] = [rows.table for rows in every]
        for rows in every:
            rows.create(self._conn)
            if self._compressed:
                chunk = f"by_range('at_ms', {_CHUNKS_MS[table]})"
                self._conn.execute(f"SELECT create_hypertable('{rows.table}', {chunk})".encode())
                self._conn.execute(_COMPRESS.format(table=rows.table, key=rows.key).encode())

    def _index(self, every: Sequence[Rows]) -> None:
        for rows in every:
            rows.index(self._conn)

    def _one(self, query: str, parameters: Sequence[str]) -> int:
        found = self._conn.execute(query.encode(), parameters).fetchone()
        return int(found[0]) if found else 0

    @abstractmethod
    def _rows(self, table: str, frames: Sequence[Frame]) -> list[Rows]:
        """Return the rows of a table's frames, in the store's shape."""

    @abstractmethod
    def _place(self, table: str, device: str, signal: str) -> _Place:
        """Return where a signal of a device stands."""


class _Narrow(_PostgresStore):
    """A row per value: point, time, value."""

    thin = True

    def last_all(self) -> Answer:
        query = _NEWEST.format(table=_LARGE, before="")
        (values,) = fetch(self._conn, query, [self._width(_LARGE) - 1], 1)
        return (values * self._scales(_LARGE),)

    def cells_at(self, at_ms: int) -> Answer:
        query = _NEWEST.format(table="cells", before="AND at_ms <= %s")
        (values,) = fetch(self._conn, query, [self._width("cells") - 1, at_ms], 1)
        return maps_of((values * self._scales("cells")).reshape(len(self._layouts["cells"]), -1))

    def _rows(self, table: str, frames: Sequence[Frame]) -> list[Rows]:
        return narrow_rows(table, frames, [*self._first_points(table).values()])

    def _place(self, table: str, device: str, signal: str) -> _Place:
        layout = self._layouts[table][device]
        point = self._first_points(table)[device] + layout.offset(signal)[0]
        return _Place(table, "value", "point", point, layout.signal(signal).scale)

    def _first_points(self, table: str) -> dict[str, int]:
        first, found = 0, {}
        for device, layout in self._layouts[table].items():
            found[device] = first
            first += layout.width
        return found

    def _width(self, table: str) -> int:
        return sum(layout.width for layout in self._layouts[table].values())

    def _scales(self, table: str) -> NDArray[np.float64]:
        return np.concatenate([scales_of(layout) for layout in self._layouts[table].values()])


class _Wide(_PostgresStore):
    """A row per sample of a device, a column per signal, a table per layout."""

    def last_all(self) -> Answer:
        rows = self._newest(_LARGE, "true", [])
        return (np.concatenate([*rows.values()]),)

    def cells_at(self, at_ms: int) -> Answer:
        rows = self._newest("cells", "at_ms <= %s", [at_ms])
        return maps_of(np.stack([*rows.values()]))

    def _newest(
        self, table: str, condition: str, parameters: Sequence[int]
    ) -> dict[str, NDArray[np.float64]]:
        """The newest row of every device, in units, in the order of the frames."""
        layouts, found = self._layouts[table], {}
        devices = [*layouts]
        for layout in {one.name: one for one in layouts.values()}.values():
            source, scales = table_of(table, layout.name), scales_of(layout)
            numbers = [devices.index(d) for d, known in layouts.items() if known == layout]
            query = _NEWEST_ROWS.format(table=source, condition=condition)
            cursor = self._conn.execute(query.encode(), [numbers, *parameters], binary=True)
            for row in cursor:
                found[row[1]] = np.array(row[2:], dtype=np.float64) * scales
        return {devices[number]: found[number] for number in sorted(found)}

    def _rows(self, table: str, frames: Sequence[Frame]) -> list[Rows]:
        return wide_rows(table, frames, range(len(frames)))

    def _place(self, table: str, device: str, signal: str) -> _Place:
        layout = self._layouts[table][device]
        number = [*self._layouts[table]].index(device)
        column = f"c{layout.offset(signal)[0]}"
        scale = layout.signal(signal).scale
        return _Place(table_of(table, layout.name), column, "device", number, scale)


def in_postgres(dsn: str) -> list[Opening]:
    """The peers in the server of `dsn`, each in a database of its own."""
    shapes = ((_Narrow, "narrow rows"), (_Wide, "wide rows"))
    return [
        partial(_open, dsn, shape, name, compressed=compressed)
        for compressed in (False, True)
        for shape, name in shapes
    ]


@contextmanager
def _open(dsn: str, shape: type[_Narrow | _Wide], name: str, *, compressed: bool) -> Iterator[Peer]:
    server = "TimescaleDB" if compressed else "PostgreSQL"
    database = f"bench_{server}_{name}".lower().replace(" ", "_")
    with psycopg.connect(dsn, autocommit=True) as admin:
        offered = admin.execute(
            "SELECT FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()
        if compressed and offered is None:
            raise Absent(f"{server} {name}: the database server does not offer the extension")
        admin.execute(f"CREATE DATABASE {database}".encode())
        try:
            with psycopg.connect(make_conninfo(dsn, dbname=database), autocommit=True) as conn:
                if compressed:
                    conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
                yield shape(f"{server} {name}", conn, compressed=compressed)
        finally:
            admin.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
