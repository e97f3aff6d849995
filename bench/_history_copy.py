"""Rows of integers on their way into PostgreSQL, by binary COPY, and out of it as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from contract.frame import Frame

Integers = NDArray[np.signedinteger[Any]]
_SQL_TYPES = {1: "smallint", 2: "smallint", 4: "integer", 8: "bigint"}
_HEAD, _TAIL = b"PGCOPY\n\xff\r\n" + bytes(9), b"\xff\xff"
"""Signature, flags and empty extension; end marker (PostgreSQL manual, COPY, binary format)."""
_ARRAY_HEAD = 20
"""Dimensions, null flag, element type, length and lower bound of an array in binary form."""
_ARRAY_ITEM = np.dtype([("width", ">i4"), ("value", ">f8")])


@dataclass(frozen=True)
class Rows:
    """Rows of one table: named columns of integers, each of shape (rows,)."""

    table: str
    key: str
    """Name of the column that says whose values these are; with `at_ms` the primary key."""
    columns: Mapping[str, Integers]

    def create(self, conn: psycopg.Connection) -> None:
        """Make the table, its types as narrow as the columns'."""
        types = [f"{name} {_SQL_TYPES[c.dtype.itemsize]}" for name, c in self.columns.items()]
        conn.execute(f"CREATE TABLE {self.table} ({', '.join(types)})".encode())

    def index(self, conn: psycopg.Connection) -> None:
        """Add the primary key."""
        conn.execute(f"ALTER TABLE {self.table} ADD PRIMARY KEY ({self.key}, at_ms)".encode())

    def packed(self) -> bytes:
        """Return the rows in COPY's binary format."""
        widths = {name: max(column.dtype.itemsize, 2) for name, column in self.columns.items()}
        fields = [("count", ">i2")]
        for name, width in widths.items():
            fields += [(f"width of {name}", ">i4"), (name, f">i{width}")]
        rows = np.empty(len(next(iter(self.columns.values()))), dtype=fields)
        rows["count"] = len(widths)
        for name, width in widths.items():
            rows[f"width of {name}"] = width
            rows[name] = self.columns[name]
        return _HEAD + rows.tobytes() + _TAIL

    def copy(self, conn: psycopg.Connection, packed: bytes) -> None:
        """Send what `packed` gave."""
        with (
            conn.cursor() as cursor,
            cursor.copy(
                f"COPY {self.table} ({', '.join(self.columns)}) FROM STDIN (FORMAT BINARY)".encode()
            ) as copy,
        ):
            copy.write(packed)


def fetch(
    conn: psycopg.Connection, query: str, parameters: Sequence[int], width: int
) -> tuple[NDArray[np.float64], ...]:
    """Run a query of `width` columns of float8, none of them null; return the columns.

    The server gathers each column into one array: a client in Python would spend more on rows
    than the server on the query.
    """
    names = [f"a{number}" for number in range(width)]
    arrays = ", ".join(f"array_send(array_agg({name}))" for name in names)
    wrapped = f"SELECT {arrays} FROM ({query}) AS q ({', '.join(names)})"  # noqa: S608 - our own
    row = conn.execute(wrapped.encode(), parameters, binary=True).fetchone()
    return tuple(
        np.frombuffer(packed, dtype=_ARRAY_ITEM, offset=_ARRAY_HEAD)["value"].astype(np.float64)
        for packed in row or ()
    )


def narrow_rows(table: str, frames: Sequence[Frame], first_points: Sequence[int]) -> list[Rows]:
    """A row per value in the order of time: `point` counts the values of a row of a frame."""
    at, point, value = [], [], []
    for frame, first in zip(frames, first_points, strict=True):
        width = frame.layout.width
        at.append(np.repeat(frame.times_ms, width))
        point.append(np.tile(np.arange(first, first + width, dtype=np.int32), frame.n))
        value.append(np.concatenate(frame.values, axis=1, dtype=np.int32).ravel())
    columns: dict[str, Integers] = {
        "at_ms": np.concatenate(at),
        "point": np.concatenate(point),
        "value": np.concatenate(value),
    }
    return [Rows(table, "point", _by_time(columns))]


def wide_rows(table: str, frames: Sequence[Frame], devices: Sequence[int]) -> list[Rows]:
    """A row per sample of a device, a column `cN` per value, a table per layout."""
    found = []
    for layout in {frame.layout.name: frame.layout for frame in frames}.values():
        pairs = [pair for pair in zip(frames, devices, strict=True) if pair[0].layout == layout]
        columns: dict[str, Integers] = {
            "at_ms": np.concatenate([frame.times_ms for frame, _ in pairs]),
            "device": np.concatenate([np.full(f.n, d, dtype=np.int32) for f, d in pairs]),
        }
        values = [
            np.concatenate([f.values[i] for f, _ in pairs]) for i in range(len(layout.columns))
        ]
        flat = [column[:, cell] for column in values for cell in range(column.shape[1])]
        columns |= {f"c{number}": column for number, column in enumerate(flat)}
        found.append(Rows(table_of(table, layout.name), "device", _by_time(columns)))
    return found


def table_of(table: str, layout_name: str) -> str:
    """The name of the table that holds a layout's samples."""
    return f"{table}_{layout_name.replace('.', '_').replace('/', '_')}"


def _by_time(columns: Mapping[str, Integers]) -> dict[str, Integers]:
    order = np.argsort(columns["at_ms"], kind="stable")
    return {name: column[order] for name, column in columns.items()}
