"""The store of series: whole imports in one transaction, readings as of a time.

Rows travel in PostgreSQL's binary COPY format, which is a fixed pattern of numbers here: three
years of quarter hours are read in some tens of milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from cloud.db import Pool, connection
from cloud.market.errors import BadSeries
from cloud.market.prices.checks import Past
from cloud.market.prices.findings import Code, Finding, Report, refuse
from cloud.market.prices.local_time import shown
from cloud.market.prices.publication import Publication
from cloud.market.prices.series import Kind, Series
from cloud.market.prices.table import Millis, Reading, Table
from contract.words import Words

_FIELDS: Final = "id, kind, unit, zone, timezone, step_min, forecast, published"
_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL: Final = b"\xff\xff"
_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("start_length", ">i4"),
        ("start_ms", ">i8"),
        ("known_length", ">i4"),
        ("known_ms", ">i8"),
        ("value_length", ">i4"),
        ("value", ">f8"),
    ]
)
_PAST_ROWS: Final = 2_000
_ADD: Final = """
WITH news AS (
    INSERT INTO market_values (series, start_ms, known_ms, value)
    SELECT %(key)s, n.start_ms, n.known_ms, n.value FROM incoming n
    LEFT JOIN LATERAL (
        SELECT value FROM market_values v
        WHERE v.series = %(key)s AND v.start_ms = n.start_ms AND v.known_ms <= n.known_ms
        ORDER BY v.known_ms DESC LIMIT 1) AS told ON true
    WHERE told.value IS DISTINCT FROM n.value
    RETURNING start_ms
)
SELECT count(*), min(start_ms), max(start_ms) FROM news
"""
_REWRITTEN: Final = """
SELECT n.start_ms FROM incoming n
JOIN market_values v ON v.series = %(key)s AND v.start_ms = n.start_ms AND v.known_ms = n.known_ms
WHERE v.value <> n.value ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A series in the store: its key there, and itself."""

    key: int
    series: Series


async def define(pool: Pool, series: Series) -> Kept:
    """Return the series of this id; it is made when there is none.

    Raises:
        BadSeries: the id stands for another series.
    """
    async with connection(pool) as conn:
        await conn.execute(
            f"INSERT INTO market_series ({_FIELDS})"  # noqa: S608 - our own names
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
            (
                *(series.id, series.kind.value, series.unit, series.zone, series.timezone),
                *(series.step_min, series.forecast, series.publication.text),
            ),
        )
    kept = await find(pool, series.id)
    for name in ("kind", "unit", "zone", "timezone", "step_min", "forecast"):
        there, given = getattr(kept.series, name), getattr(series, name)
        if there != given:
            raise BadSeries(
                f"series {series.id} has {name} = {there}, not {given}; name what it has, or "
                "import into a series with another id"
            )
    return Kept(kept.key, series)


async def find(pool: Pool, series: str) -> Kept:
    """Return a series by its id.

    Raises:
        BadSeries: there is none.
    """
    for kept in await list_series(pool):
        if kept.series.id == series:
            return kept
    raise BadSeries(
        Words(
            f"there is no series {series!r}; import one, or list those there are",
            f"没有序列 {series!r}；请先导入，或查看现有序列",
        )
    )


async def list_series(pool: Pool) -> list[Kept]:
    """Return all series, by id."""
    async with connection(pool) as conn:
        found = await conn.execute(
            f"SELECT key, {_FIELDS} FROM market_series ORDER BY id"  # noqa: S608 - our own names
        )
        rows = await found.fetchall()
    return [_kept(row) for row in rows]


async def past_of(pool: Pool, kept: Kept) -> Past:
    """Return what new rows of a series are compared with."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(value)) FROM (SELECT value FROM"
            " market_values WHERE series = %s ORDER BY start_ms DESC LIMIT %s) AS newest",
            (kept.key, _PAST_ROWS),
        )
        median = await found.fetchone()
        found = await conn.execute(
            "SELECT start_ms FROM market_values WHERE series = %s LIMIT 1", [kept.key]
        )
        start = await found.fetchone()
    phase_ms = None if start is None else int(start[0]) % kept.series.step_ms
    return Past(None if median is None else median[0], phase_ms)


async def add(
    pool: Pool, kept: Kept, rows: Table, source: str, findings: Sequence[Finding]
) -> Report:
    """Store rows in one transaction: all of them, or none where one contradicts the store.

    A row that says what was known already is no news and is not stored again.
    """
    found = list(findings)
    added = 0
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT 1 FROM market_series WHERE key = %s FOR UPDATE", [kept.key])
        await _bring(conn, rows)
        cursor = await conn.execute(_REWRITTEN, {"key": kept.key})
        if rewritten := [int(row[0]) for row in await cursor.fetchall()]:
            found.append(_rewritten(kept.series, rewritten))
        if not refuse(found):
            cursor = await conn.execute(_ADD, {"key": kept.key})
            added, *span = await cursor.fetchone() or (0, None, None)
            report = Report(kept.series.id, source, len(rows), added, tuple(found))
            await conn.execute(
                "INSERT INTO market_imports"
                " (series, source, rows_added, findings, first_ms, last_ms)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (kept.key, source, added, Jsonb(report.to_dict()["findings"]), *span),
            )
    return Report(kept.series.id, source, len(rows), added, tuple(found))


async def read(
    pool: Pool, series: str, from_ms: int, to_ms: int, known_ms: int | Millis
) -> Reading:
    """Return the intervals that begin in [from_ms, to_ms) as they could be seen at a time.

    Args:
        pool: the store.
        series: id.
        from_ms: UTC; the first interval that begins then or later is the first one returned.
        to_ms: UTC, exclusive.
        known_ms: what became known later is not seen; an array of shape (intervals,) has a time
            for each interval, as that of the gate before each day.

    Raises:
        BadSeries: no such series, or an array of another length than there are intervals.
    """
    kept = await find(pool, series)
    latest = int(np.max(known_ms)) if np.size(known_ms) else 0
    query = sql.SQL(
        "COPY (SELECT start_ms, known_ms, value FROM market_values WHERE series = {}"
        " AND start_ms >= {} AND start_ms < {} AND known_ms <= {}"
        " ORDER BY start_ms, known_ms) TO STDOUT (FORMAT BINARY)"
    ).format(kept.key, from_ms, to_ms, latest)
    parts: list[bytes] = []
    async with connection(pool) as conn, conn.cursor() as cursor, cursor.copy(query) as copy:
        parts.extend([bytes(part) async for part in copy])
    rows = np.frombuffer(b"".join(parts)[len(_HEAD) : -len(_TAIL)], _ROW)
    return _reading(kept.series, rows, from_ms, to_ms, known_ms)


async def forget(pool: Pool, before_ms: int) -> int:
    """Drop values of intervals that began before a time; return how many."""
    async with connection(pool) as conn:
        return (
            await conn.execute(
                "DELETE FROM market_values v USING market_series s"
                " WHERE v.series = s.key AND v.start_ms < %s",
                [before_ms],
            )
        ).rowcount


def _reading(
    series: Series, rows: Any, from_ms: int, to_ms: int, known_ms: int | Millis
) -> Reading:
    step = series.step_ms
    phase = int(rows["start_ms"][0]) % step if len(rows) else 0
    first = from_ms + (phase - from_ms) % step
    starts = np.arange(first, to_ms, step, dtype=np.int64)
    if np.ndim(known_ms) and np.shape(known_ms) != starts.shape:
        raise BadSeries(
            f"series {series.id}: {np.size(known_ms)} known times for {len(starts)} intervals; "
            "give one, or one for each"
        )
    limit = np.broadcast_to(np.asarray(known_ms, np.int64), starts.shape)
    place = (rows["start_ms"].astype(np.int64) - first) // step
    seen = rows["known_ms"] <= limit[place]
    place = place[seen]
    # In order of the times they became known: of one interval the newest is written last.
    value, known = np.full(len(starts), np.nan), np.zeros(len(starts), np.int64)
    value[place], known[place] = rows["value"][seen], rows["known_ms"][seen]
    return Reading(series.id, starts, series.step_min, value, known)


async def _bring(conn: AsyncConnection[TupleRow], rows: Table) -> None:
    """Put rows into a table of this transaction."""
    await conn.execute(
        "CREATE TEMPORARY TABLE incoming (start_ms bigint, known_ms bigint,"
        " value double precision) ON COMMIT DROP"
    )
    packed = np.zeros(len(rows), _ROW)
    packed["fields"] = 3
    for name in ("start", "known", "value"):
        packed[f"{name}_length"] = 8
    packed["start_ms"], packed["known_ms"] = rows.start_ms, rows.known_ms
    packed["value"] = rows.value
    async with (
        conn.cursor() as cursor,
        cursor.copy("COPY incoming FROM STDIN (FORMAT BINARY)") as copy,
    ):
        await copy.write(_HEAD + packed.tobytes() + _TAIL)


def _rewritten(series: Series, starts: Sequence[int]) -> Finding:
    text = (
        f"{shown(starts[0], series.zone_info)} and {len(starts) - 1:,} more have another value "
        "than the store has as known at that time; what is published anew has a later known time"
    )
    return Finding(Code.REWRITTEN, len(starts), starts[0], starts[-1], text)


def _kept(row: TupleRow) -> Kept:
    key, name, kind, unit, zone, timezone, step_min, forecast, published = row
    series = Series(
        *(name, Kind(kind), unit, zone, timezone, step_min, forecast), Publication(published)
    )
    return Kept(key, series)
