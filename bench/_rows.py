"""Peers of the block store, measured in the same PostgreSQL: a row per value, a row per sample.

Both are what one gets without frames: COPY into a table with its natural primary key, committed
every ten seconds of data, bytes on disk with index and TOAST.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from contract.frame import Frame

_COMMIT_ROWS = 10
"""Seconds of data in one commit."""

_NARROW = (
    "CREATE TABLE peer_narrow (device text, signal text, index int, at bigint, value float8,"
    " PRIMARY KEY (device, signal, index, at))"
)
_ARRAYS = (
    "CREATE TABLE peer_arrays (device text, layout text, at bigint, values int[],"
    " PRIMARY KEY (device, layout, at))"
)


@dataclass(frozen=True)
class Peer:
    """Values a second into the committed table, and bytes of a value on disk."""

    values_per_s: float
    bytes_per_value: float


def narrow_rows(dsn: str, frames: Sequence[Frame]) -> Peer:
    """A row per value."""
    return _measure(dsn, "peer_narrow", _NARROW, frames, _values)


def array_rows(dsn: str, frames: Sequence[Frame]) -> Peer:
    """A row per sample of a device, its raw numbers as an integer array."""
    return _measure(dsn, "peer_arrays", _ARRAYS, frames, _samples)


def _measure(dsn: str, table: str, create: str, frames: Sequence[Frame], rows: Any) -> Peer:
    values = sum(frame.n * frame.layout.width for frame in frames)
    groups = [
        [row for frame in frames for row in rows(frame, first)]
        for first in range(0, frames[0].n, _COMMIT_ROWS)
    ]
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(create.encode())
        began = time.perf_counter()
        for group in groups:
            with conn.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for row in group:
                    copy.write_row(row)
        took_s = time.perf_counter() - began
        found = conn.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()
        conn.execute(f"DROP TABLE {table}".encode())
    return Peer(values / took_s, (found[0] if found else 0) / values)


def _values(frame: Frame, first: int) -> list[tuple[Any, ...]]:
    times = frame.times_ms.tolist()
    last = min(first + _COMMIT_ROWS, frame.n)
    return [
        (frame.device, column.signal.name, cell, times[row], values[row][cell])
        for column in frame.layout.columns
        for values in (frame.physical(column.signal.name).tolist(),)
        for row in range(first, last)
        for cell in range(column.repeat)
    ]


def _samples(frame: Frame, first: int) -> list[tuple[Any, ...]]:
    times = frame.times_ms.tolist()
    last = min(first + _COMMIT_ROWS, frame.n)
    return [
        (
            *(frame.device, frame.layout.name, times[row]),
            [int(value) for array in frame.values for value in array[row].tolist()],
        )
        for row in range(first, last)
    ]
