"""What the database knows of archives: which months are in one, and what was dropped here.

A month is current when nothing came after it was archived: then the block ledger of the month,
with what has been dropped from it since, still says what it said (`counted`). Whoever changes
what is stored of a past month locks its ledger row first, so that nothing comes in between.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql

from cloud.history.archive.manifest import month_of, month_range

Connection = psycopg.AsyncConnection[Any]

_LOCK: Final = 0x5354_4152
"""Key of the advisory lock of a station's past months: one process archives, restores or drops."""

_COUNTED: Final = """
SELECT coalesce((SELECT samples FROM block_ledger WHERE station = %(s)s AND month_ms = %(m)s), 0)
    + coalesce((SELECT sum(samples) FROM dropped_blocks
                WHERE station = %(s)s AND month_ms = %(m)s), 0)
"""
_FIND: Final = """
SELECT station, month_ms, version, url, sha256, counted, samples, size, verified_at, dropped_at,
       kept_until
FROM archives WHERE station = %s AND (%s::bigint IS NULL OR month_ms = %s) ORDER BY month_ms
"""
_RECORD: Final = """
INSERT INTO archives (station, month_ms, version, url, sha256, counted, samples, size, verified_at,
                      kept_until)
VALUES (%s, %s, %s, %s, %b, %s, %s, %s, now(), %s)
ON CONFLICT (station, month_ms) DO UPDATE SET
    version = excluded.version, url = excluded.url, sha256 = excluded.sha256,
    counted = excluded.counted, samples = excluded.samples, size = excluded.size,
    verified_at = excluded.verified_at,
    kept_until = coalesce(excluded.kept_until, archives.kept_until),
    dropped_at = (SELECT min(d.dropped_at) FROM dropped_blocks d
                  WHERE d.station = excluded.station AND d.month_ms = excluded.month_ms)
"""
_MONTHS: Final = """
SELECT l.month_ms, l.samples, coalesce(sum(d.samples), 0),
       array_agg(d.layout) FILTER (WHERE d.archived),
       EXISTS (SELECT FROM hot_batches h WHERE h.station = l.station AND h.quarantined IS NULL
               AND h.t_last_ms >= l.month_ms AND h.t_first_ms < next_month_ms(l.month_ms))
FROM block_ledger l LEFT JOIN dropped_blocks d USING (station, month_ms)
WHERE l.station = %s GROUP BY l.station, l.month_ms, l.samples ORDER BY l.month_ms
"""
_HORIZON: Final = """
SELECT layout, 0, max(end_ms) FROM dropped_blocks WHERE station = %(s)s GROUP BY layout
UNION ALL
SELECT layout, tier_ms, before_ms FROM dropped_rollups WHERE station = %(s)s
"""


@dataclass(frozen=True)
class Archived:
    """A row of table `archives`; its columns say what the fields are."""

    station: str
    month_ms: int
    version: str
    url: str
    sha256: bytes
    counted: int
    samples: int
    size: int
    verified_at: dt.datetime
    dropped_at: dt.datetime | None
    kept_until: dt.datetime | None

    @property
    def month(self) -> dt.date:
        """The first of its month."""
        return month_of(self.month_ms)


@dataclass(frozen=True)
class StoredMonth:
    """A month that blocks have been written for.

    Attributes:
        month_ms: its start.
        samples: in the block ledger now, with repeats.
        dropped: samples that were dropped, with repeats.
        gone: layouts whose samples were dropped and can be put back.
        waiting: whether batches with data of it are not compacted yet.
    """

    month_ms: int
    samples: int
    dropped: int
    gone: frozenset[bytes]
    waiting: bool

    @property
    def month(self) -> dt.date:
        """The first of it."""
        return month_of(self.month_ms)

    @property
    def end_ms(self) -> int:
        """Its end."""
        return month_range(self.month)[1]

    @property
    def counted(self) -> int:
        """All that has ever been counted for it."""
        return self.samples + self.dropped


@dataclass(frozen=True)
class Horizon:
    """Before which times (epoch ms) something is no longer kept, by layout; absent: all is.

    Attributes:
        raw: samples; those around events are kept all the same.
        minutes: 1 min rollups.
        quarters: 15 min rollups.
    """

    raw: Mapping[bytes, int] = field(default_factory=dict)
    minutes: Mapping[bytes, int] = field(default_factory=dict)
    quarters: Mapping[bytes, int] = field(default_factory=dict)


async def lock(conn: Connection, station: str) -> bool:
    """Take the lock of the station's past months for the rest of the transaction, if it is free.

    The transaction may last for hours. The statement has no parameters on purpose: a server keeps
    the snapshot of the last statement that had some, and could not vacuum meanwhile.
    """
    await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    statement = sql.SQL("SELECT pg_try_advisory_xact_lock({}, hashtext({}))")
    cursor = await conn.execute(statement.format(_LOCK, station))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def lock_month(conn: Connection, station: str, month_ms: int) -> int:
    """Lock the month's ledger row for the rest of the transaction; return its `counted`."""
    await conn.execute(
        "SELECT FROM block_ledger WHERE station = %s AND month_ms = %s FOR UPDATE",
        [station, month_ms],
    )
    return await counted(conn, station, month_ms)


async def counted(conn: Connection, station: str, month_ms: int) -> int:
    """All samples that have ever been counted for a month, with repeats."""
    row = await (await conn.execute(_COUNTED, {"s": station, "m": month_ms})).fetchone()
    return int(row[0]) if row else 0


async def stored_months(conn: Connection, station: str) -> list[StoredMonth]:
    """Return the months of a station, oldest first."""
    cursor = await conn.execute(_MONTHS, [station], binary=True)
    return [
        StoredMonth(int(month), int(samples), int(dropped), frozenset(gone or ()), waiting)
        for month, samples, dropped, gone, waiting in await cursor.fetchall()
    ]


async def archives_of(conn: Connection, station: str) -> dict[int, Archived]:
    """Return the archived months of a station by their start."""
    cursor = await conn.execute(_FIND, [station, None, None], binary=True)
    return {row[1]: Archived(*row) for row in await cursor.fetchall()}


async def find(conn: Connection, station: str, month_ms: int) -> Archived | None:
    """Return what is known of the archive of a month."""
    cursor = await conn.execute(_FIND, [station, month_ms, month_ms], binary=True)
    row = await cursor.fetchone()
    return None if row is None else Archived(*row)


@dataclass(frozen=True)
class NewArchive:
    """What is entered of a version that was read back and found equal to what is stored."""

    version: str
    url: str
    sha256: bytes
    counted: int
    samples: int
    size: int


async def record(
    conn: Connection,
    station: str,
    month_ms: int,
    new: NewArchive,
    kept_until: dt.datetime | None = None,
) -> None:
    """Enter a verified version in the place of an older one."""
    await conn.execute(
        _RECORD,
        [
            *(station, month_ms, new.version, new.url, new.sha256, new.counted, new.samples),
            *(new.size, kept_until),
        ],
    )


@dataclass(frozen=True)
class Dropped:
    """Samples of one layout, with their repeats, that were deleted."""

    layout: bytes
    cells: bool
    archived: bool
    samples: int


async def add_dropped(
    conn: Connection,
    station: str,
    month: tuple[int, int],
    dropped: Sequence["Dropped"],
) -> None:
    """Enter what was deleted of a month, and take it off the block ledger.

    Args:
        conn: in the transaction that has deleted it, with the month locked.
        station: its id.
        month: start and end.
        dropped: by layout.
    """
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO dropped_blocks (station, month_ms, end_ms, layout, cells, archived,"
            " samples) VALUES (%s, %s, %s, %b, %s, %s, %s)"
            " ON CONFLICT (station, month_ms, layout)"
            " DO UPDATE SET samples = dropped_blocks.samples + excluded.samples",
            [(station, *month, *astuple(one)) for one in dropped],
        )
    await conn.execute(
        "UPDATE block_ledger SET samples = samples - %s WHERE station = %s AND month_ms = %s",
        [sum(one.samples for one in dropped), station, month[0]],
    )
    await conn.execute(
        "UPDATE archives SET dropped_at = coalesce(dropped_at, now())"
        " WHERE station = %s AND month_ms = %s",
        [station, month[0]],
    )


async def distrust(conn: Connection, station: str, month_ms: int) -> None:
    """Have a month archived anew of which all is still here: its archive is not what it was."""
    await conn.execute(
        "UPDATE archives a SET counted = -1 WHERE station = %s AND month_ms = %s AND NOT EXISTS ("
        "SELECT FROM dropped_blocks d WHERE d.station = a.station AND d.month_ms = a.month_ms"
        " AND d.archived)",
        [station, month_ms],
    )


async def horizon(conn: Connection, station: str) -> Horizon:
    """Return before which times samples and rollups of a station are gone."""
    rows = await (await conn.execute(_HORIZON, {"s": station}, binary=True)).fetchall()
    by_tier: dict[int, dict[bytes, int]] = {0: {}, 60_000: {}, 900_000: {}}
    for layout, tier_ms, before_ms in rows:
        by_tier[tier_ms][bytes(layout)] = int(before_ms)
    return Horizon(*by_tier.values())
