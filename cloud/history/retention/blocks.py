"""How samples go: a whole monthly partition where nothing in it is to be kept, else row by row."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from cloud.db.pool import Pool, connection
from cloud.history.archive import table as archive_table
from cloud.history.archive.manifest import month_of
from cloud.history.archive.table import Archived, Dropped, StoredMonth
from cloud.history.blocks.reading import HOUR_MS
from cloud.history.retention.policy import Policy
from cloud.history.rollups.cells import has_cells
from cloud.history.rollups.job import LOCK as ROLLUP_LOCK
from contract.layouts import Layout

_log = logging.getLogger(__name__)

Connection = psycopg.AsyncConnection[Any]

_ROLLUP_WAIT: Final = "30s"
"""A pass of the rollup job takes seconds; it does not wait for us, but leaves a pass out."""
_TABLE_WAIT: Final = "2s"
"""How long a drop waits for readers of the whole table; new ones wait behind it meanwhile."""
_REWRITE_BYTES: Final = 2 << 30
"""Partitions with at most so much left are written anew to give their space back: seconds."""
_WORTH: Final = 2
_SMALL_BYTES: Final = 1 << 20

_WINDOWS: Final = """
SELECT DISTINCT hour_ms FROM events, generate_series(
    (at_ms - %(before)s) - (at_ms - %(before)s) %% %(hour)s, at_ms + %(after)s, %(hour)s) AS hour_ms
WHERE station = %(s)s AND severity >= %(severity)s
  AND at_ms >= %(start)s - %(after)s AND at_ms < %(end)s + %(before)s
  AND hour_ms >= %(start)s AND hour_ms < %(end)s
ORDER BY hour_ms
"""
_PRESENT: Final = """
SELECT layout, count(*) FILTER (WHERE hour_ms <> ALL(%s::bigint[])), count(*)
FROM blocks WHERE station = %s AND hour_ms >= %s AND hour_ms < %s GROUP BY layout
"""
_ROLLUPS_WAIT: Final = """
SELECT EXISTS (SELECT FROM dirty WHERE station = %(s)s
               AND minute_ms >= %(start)s AND minute_ms < %(end)s)
    OR EXISTS (SELECT FROM dirty_quarters WHERE station = %(s)s
               AND quarter_ms >= %(start)s AND quarter_ms < %(end)s)
"""
_DELETE: Final = """
WITH gone AS (
    DELETE FROM blocks WHERE station = %s AND hour_ms >= %s AND hour_ms < %s
      AND layout = ANY(%b) AND (layout <> ALL(%b) OR hour_ms <> ALL(%s::bigint[]))
    RETURNING layout, n + repeated AS samples
) SELECT layout, sum(samples)::bigint FROM gone GROUP BY layout
"""
_PARTITION: Final = """
SELECT inhrelid::regclass::text FROM pg_inherits
JOIN pg_partitioned_table ON partrelid = inhparent
WHERE inhparent = 'blocks'::regclass AND inhrelid::regclass::text = 'blocks_' || to_char(
    to_timestamp(%s / 1000.0) AT TIME ZONE 'UTC', 'YYYY_MM')
"""
_CHILDREN: Final = """
SELECT DISTINCT name, name = 'blocks_' || to_char(
    to_timestamp(%(month)s / 1000.0) AT TIME ZONE 'UTC', 'YYYY_MM')
FROM (SELECT tableoid::regclass::text AS name FROM blocks
      WHERE hour_ms >= %(month)s AND hour_ms < next_month_ms(%(month)s)
      UNION SELECT inhrelid::regclass::text FROM pg_inherits
      WHERE inhparent = 'blocks'::regclass
        AND inhrelid::regclass::text = 'blocks_' || to_char(
            to_timestamp(%(month)s / 1000.0) AT TIME ZONE 'UTC', 'YYYY_MM')) AS children
"""
_SUMS: Final = sql.SQL("SELECT station, layout, sum(n + repeated)::bigint FROM {} GROUP BY 1, 2")
_LEFT: Final = sql.SQL(
    "SELECT count(*), coalesce(sum(octet_length(body)), 0)::bigint,"
    " pg_total_relation_size({}::regclass) FROM {}"
)
_IN_THE_WAY: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


class Busy(Exception):  # noqa: N818 - not an error: it is tried again
    """Something of a month came in between; the text says what."""


@dataclass(frozen=True)
class Ripe:
    """What may go of a month of a station.

    Attributes:
        station: its id.
        month_ms, end_ms: the month.
        layouts: whose time has passed.
        windows: those of them of which hours around events stay.
        archive: those of them that must be archived.
        kept_hours: starts of these hours.
        archived: what is known of the month's archive.
        alone: whether nothing of the month will be left.
        policy: which says all this.
    """

    station: str
    month_ms: int
    end_ms: int
    layouts: Mapping[bytes, Layout]
    windows: frozenset[bytes]
    archive: frozenset[bytes]
    kept_hours: tuple[int, ...]
    archived: Archived | None
    alone: bool
    policy: Policy

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.station} {month_of(self.month_ms):%Y-%m}"

    @property
    def needs_archive(self) -> bool:
        """Whether an archive must stand for what goes."""
        return bool(self.archive)


async def ripe(
    conn: Connection,
    station: str,
    month: tuple[StoredMonth, Archived | None],
    layouts: Mapping[bytes, Layout],
    by: tuple[Policy, dt.datetime],
) -> Ripe | str | None:
    """Return what may go of a month by the policy at a time; why it must wait; None: nothing."""
    (stored, archived), (policy, now) = month, by
    rules = {hash8: policy.rule_of(layout) for hash8, layout in layouts.items()}
    over = {
        hash8
        for hash8, rule in rules.items()
        if (before := rule.raw.before_ms(now)) is not None and stored.end_ms <= before
    }
    if not over or (archived and archived.kept_until and archived.kept_until > now):
        return None
    hours = await kept_hours(conn, station, (stored.month_ms, stored.end_ms), policy)
    span = [stored.month_ms, stored.end_ms]
    cursor = await conn.execute(_PRESENT, [hours, station, *span], binary=True)
    rows = [(bytes(h), int(outside), int(n)) for h, outside, n in await cursor.fetchall()]
    due = [
        hash8
        for hash8, outside, n in rows
        if hash8 in over and (outside if rules[hash8].windows else n)
    ]
    if not due:
        return None
    found = Ripe(
        *(station, stored.month_ms, stored.end_ms, {hash8: layouts[hash8] for hash8 in due}),
        frozenset(hash8 for hash8 in due if rules[hash8].windows),
        frozenset(hash8 for hash8 in due if rules[hash8].archive),
        *(tuple(hours), archived),
        alone=len(due) == len(rows) and (not hours or not any(rules[h].windows for h in due)),
        policy=policy,
    )
    if stored.waiting:
        return f"{found.name}: batches of it wait to be compacted"
    return await _waits(conn, found, stored.counted) or found


async def kept_hours(
    conn: Connection, station: str, span: tuple[int, int], policy: Policy
) -> list[int]:
    """Return the starts of the hours in [start, end) that events of a station keep."""
    window = policy.window
    asked = {
        "s": station,
        "severity": int(window.severity),
        "before": round(window.before_h * HOUR_MS),
        "after": round(window.after_h * HOUR_MS),
        "hour": HOUR_MS,
        "start": span[0],
        "end": span[1],
    }
    return [int(row[0]) for row in await (await conn.execute(_WINDOWS, asked)).fetchall()]


async def _waits(conn: Connection, one: Ripe, counted: int) -> str | None:
    """Why a month must wait, or None."""
    if one.needs_archive and (one.archived is None or one.archived.counted != counted):
        how = "archived" if one.archived is None else "archived with what came later"
        return f"{one.name}: is due, and waits to be {how}; [archive] says where to"
    asked = {"s": one.station, "start": one.month_ms, "end": one.end_ms}
    row = await (await conn.execute(_ROLLUPS_WAIT, asked)).fetchone()
    if row and row[0]:
        return f"{one.name}: is due, and waits for its rollups"
    return None


async def _keep_rollups_out(conn: Connection, station: str) -> None:
    """Wait until nobody rolls the station up, and keep them out for the rest of the transaction."""
    await conn.execute(f"SET LOCAL lock_timeout = '{_ROLLUP_WAIT}'")
    await conn.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [ROLLUP_LOCK, station])


async def _hold(conn: Connection, one: Ripe) -> None:
    """Lock a month against new blocks; make sure that nothing came in between.

    Raises:
        Busy: samples did, or an event that keeps hours, or somebody who keeps the month.
    """
    counted = await archive_table.lock_month(conn, one.station, one.month_ms)
    reason = await _waits(conn, one, counted)
    if reason is not None:
        raise Busy(reason)
    if await archive_table.find(conn, one.station, one.month_ms) != one.archived:
        raise Busy(f"{one.name}: is due, and was archived or put back meanwhile; looked at again")
    hours = await kept_hours(conn, one.station, (one.month_ms, one.end_ms), one.policy)
    if one.windows and tuple(hours) != one.kept_hours:
        raise Busy(f"{one.name}: is due, and an event came that keeps hours; looked at again")


async def drop_rows(pool: Pool, one: Ripe) -> int:
    """Delete what is due of one station's month; return the samples.

    Raises:
        Busy: something came in between, or somebody is at the month.
    """
    async with connection(pool) as conn:
        try:
            async with conn.transaction():
                await _keep_rollups_out(conn, one.station)
                await _hold(conn, one)
                cursor = await conn.execute(
                    _DELETE,
                    [
                        *(one.station, one.month_ms, one.end_ms, [*one.layouts]),
                        *([*one.windows], list(one.kept_hours)),
                    ],
                    binary=True,
                )
                gone = {bytes(layout): int(samples) for layout, samples in await cursor.fetchall()}
                await _enter(conn, one, gone)
        except _IN_THE_WAY as error:
            raise Busy(f"{one.name}: is due, and is busy; tried again later") from error
    return sum(gone.values())


async def drop_partition(pool: Pool, month_ms: int, due: Sequence[Ripe]) -> bool:
    """Drop a month's partition at once where nothing in it is to be kept; True when it is gone.

    Raises:
        Busy: something came in between, or somebody is at the table.
    """
    if not all(one.alone for one in due):
        return False
    async with connection(pool) as conn:
        try:
            return await _drop_detached(conn, month_ms, due)
        except _IN_THE_WAY as error:
            raise Busy("the table of blocks is busy") from error


async def _drop_detached(conn: Connection, month_ms: int, due: Sequence[Ripe]) -> bool:
    async with conn.transaction():
        found = await (await conn.execute(_PARTITION, [month_ms])).fetchone()
        if found is None:
            raise psycopg.Rollback
        part = sql.SQL(found[0])
        for one in due:
            await _keep_rollups_out(conn, one.station)
        await conn.execute(f"SET LOCAL lock_timeout = '{_TABLE_WAIT}'")
        await conn.execute(sql.SQL("ALTER TABLE blocks DETACH PARTITION {}").format(part))
        rows = await (await conn.execute(_SUMS.format(part), binary=True)).fetchall()
        there = {(station, bytes(layout)): int(n) for station, layout, n in rows}
        if not there.keys() <= {(one.station, hash8) for one in due for hash8 in one.layouts}:
            raise psycopg.Rollback
        for one in due:
            await _hold(conn, one)
            own = {layout: n for (name, layout), n in there.items() if name == one.station}
            await _enter(conn, one, own)
        await conn.execute(sql.SQL("DROP TABLE {}").format(part))
        return True
    return False


async def reclaim(pool: Pool, month_ms: int) -> None:
    """Give space of deleted rows back: drop the month's partition when empty, else rewrite it.

    A partition of which much is left stays as it is until that is dropped too: its rewriting
    would hold up readers of the month for long.
    """
    async with connection(pool) as conn:
        cursor = await conn.execute(_CHILDREN, {"month": month_ms})
        for name, native in await cursor.fetchall():
            child, measure = sql.SQL(name), _LEFT.format(sql.Literal(name), sql.SQL(name))
            row = await (await conn.execute(measure)).fetchone()
            rows, left, size = (int(value) for value in row or (0, 0, 0))
            try:
                await conn.execute(f"SET lock_timeout = '{_TABLE_WAIT}'")
                if rows == 0 and native:
                    await _drop_empty(conn, child, measure)
                elif left <= _REWRITE_BYTES and size > _WORTH * left + _SMALL_BYTES:
                    await conn.execute(sql.SQL("VACUUM (FULL) {}").format(child))
            except _IN_THE_WAY:
                _log.info("space is given back later table=%s", name)
            finally:
                await conn.execute("RESET lock_timeout")


async def _drop_empty(conn: Connection, child: sql.SQL, measure: sql.Composed) -> None:
    async with conn.transaction():
        await conn.execute(sql.SQL("ALTER TABLE blocks DETACH PARTITION {}").format(child))
        row = await (await conn.execute(measure)).fetchone()
        if row is None or row[0]:
            raise psycopg.Rollback
        await conn.execute(sql.SQL("DROP TABLE {}").format(child))


async def _enter(conn: Connection, one: Ripe, gone: Mapping[bytes, int]) -> None:
    dropped = [
        Dropped(hash8, has_cells(one.layouts[hash8]), hash8 in one.archive, samples)
        for hash8, samples in gone.items()
    ]
    await archive_table.add_dropped(conn, one.station, (one.month_ms, one.end_ms), dropped)
    names = ",".join(sorted({one.layouts[hash8].name for hash8 in gone}))
    _log.info("samples dropped of=%s samples=%d layouts=%s", one.name, sum(gone.values()), names)
