"""Retention: what has been kept long enough goes, and never before its archive is proven.

Samples of a month and layout are dropped when all of this holds:

- the time of the layout has passed for the whole month;
- its rollups are computed: no minute of the month waits;
- the month is archived, nothing came after that, and every byte of the archive has just been read
  and found unaltered; or the policy says that this layout is not archived;
- it is not a month that somebody has put back to look at.

An archive that is found altered while all of its month is still here is written anew; one that
only cannot be reached is left as it is, and looked at again the next time.

The hours around severe events stay. What goes is taken off the block ledger in the same
transaction, so that the full check goes on balancing. Late data of a month that was dropped wait
until it is put back, joined with them, archived in a new version, and dropped again.
"""

import asyncio
import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from cloud.commands.keeping import drop_commands
from cloud.db.pool import Pool, connection
from cloud.errors import AlteredArchive, ArchiveError
from cloud.history.archive import table as archive_table
from cloud.history.archive.month import Archivist, NothingToArchive, check_files
from cloud.history.archive.restore import Restorer, source_of
from cloud.history.archive.store import ArchiveStore, place_of
from cloud.history.archive.table import Archived, StoredMonth
from cloud.history.blocks.reading import FrameReader
from cloud.history.retention.blocks import Busy, Ripe, drop_partition, drop_rows, reclaim, ripe
from cloud.history.retention.policy import Policy
from cloud.history.retention.rollups import drop_rollups, drop_sql_rows

_log = logging.getLogger(__name__)

_SETTLED_S: Final = 6 * 3_600
"""Late data of a past month are archived when none has come for so long."""
_NEWEST: Final = """
SELECT coalesce(extract(epoch FROM now() - max(written_at)), 1e9) FROM blocks
WHERE station = %s AND hour_ms >= %s AND hour_ms < next_month_ms(%s)
"""


class Retention:
    """Applies the policy to one cloud; without a store of archives, as far as it can."""

    def __init__(
        self,
        pool: Pool,
        reader: FrameReader,
        restorer: Restorer,
        policy: Policy,
        store: ArchiveStore | None,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._restorer = restorer
        self._policy = policy
        self._store = store
        self._archivist = None if store is None else Archivist(pool, reader, store, policy)
        self._told: set[str] = set()

    async def run(self, stations: Sequence[str], now: dt.datetime) -> list[str]:
        """Join late data, archive, and drop what is due; return what had to wait, and why."""
        waiting: list[str] = []
        for station in stations:
            if self._archivist is not None:
                waiting += await self._archive(station, now, self._archivist)
        waiting += await self._drop_samples(stations, now)
        for station in stations:
            layouts = await self._reader.streams(station)
            await drop_rollups(self._pool, station, set(layouts.values()), self._policy, now)
            await drop_sql_rows(self._pool, station, layouts, self._policy, now)
        before_ms = self._policy.commands.keep.before_ms(now)
        busy = None if before_ms is None else await drop_commands(self._pool, before_ms)
        waiting += [busy] if busy else []
        for reason in waiting:
            if reason not in self._told:
                _log.warning("retention waits reason=%s", reason)
        self._told = set(waiting)
        return waiting

    async def _archive(self, station: str, now: dt.datetime, archivist: Archivist) -> list[str]:
        """Archive the months of a station that are not, or not as they are now."""
        waiting: list[str] = []
        after_ms = self._policy.archive.after.before_ms(now)
        async with connection(self._pool) as guard, guard.transaction():
            if not await archive_table.lock(guard, station):
                return []
            for stored, row in await self._months(station):
                if after_ms is None or stored.end_ms > after_ms or stored.waiting:
                    continue
                if row is not None and row.counted == stored.counted:
                    continue
                try:
                    if row is not None and not await self._settled(station, stored):
                        continue
                    if stored.gone:
                        await self._join(station, stored, row)
                    await archivist.archive_locked(station, stored.month, now, _log.info)
                except NothingToArchive:
                    continue
                except ArchiveError as error:
                    waiting.append(str(error))
        return waiting

    async def _join(self, station: str, stored: StoredMonth, row: Archived | None) -> None:
        """Put a month back that late data have come for."""
        if row is None or self._store is None:
            raise ArchiveError(f"{station} {stored.month:%Y-%m}: was dropped, and has no archive")
        async with connection(self._pool) as conn:
            horizon = await archive_table.horizon(conn, station)
        gone = any(before_ms > stored.month_ms for before_ms in horizon.minutes.values())
        await self._restorer.restore_locked(
            *(station, stored.month, source_of(row, self._store), None, _log.info),
            all_minutes=gone,
        )

    async def _settled(self, station: str, stored: StoredMonth) -> bool:
        async with connection(self._pool) as conn:
            cursor = await conn.execute(_NEWEST, [station, stored.month_ms, stored.month_ms])
            row = await cursor.fetchone()
        return row is not None and float(row[0]) >= _SETTLED_S

    async def _months(self, station: str) -> list[tuple[StoredMonth, Archived | None]]:
        async with connection(self._pool) as conn:
            stored = await archive_table.stored_months(conn, station)
            archived = await archive_table.archives_of(conn, station)
        return [(one, archived.get(one.month_ms)) for one in stored]

    async def _drop_samples(self, stations: Sequence[str], now: dt.datetime) -> list[str]:
        waiting: list[str] = []
        by_month: defaultdict[int, list[str]] = defaultdict(list)
        for station in stations:
            for found in await self._ripe(station, now):
                if isinstance(found, str):
                    waiting.append(found)
                else:
                    by_month[found.month_ms].append(station)
        for month_ms, due in sorted(by_month.items()):
            waiting += await self._drop_month(month_ms, due, now)
        return waiting

    async def _ripe(
        self, station: str, now: dt.datetime, month_ms: int | None = None
    ) -> list[Ripe | str]:
        """What may go of each month, or of one; why others must wait."""
        layouts = {one.hash8: one for one in (await self._reader.streams(station)).values()}
        found: list[Ripe | str] = []
        for stored, row in await self._months(station):
            if month_ms in (None, stored.month_ms):
                async with connection(self._pool) as conn:
                    one = await ripe(conn, station, (stored, row), layouts, (self._policy, now))
                found += [] if one is None else [one]
        return found

    async def _drop_month(
        self, month_ms: int, stations: Sequence[str], now: dt.datetime
    ) -> list[str]:
        """Drop what is due of one month, of all stations that it seems to be of."""
        waiting: list[str] = []
        async with connection(self._pool) as guard, guard.transaction():
            due: list[Ripe] = []
            for station in stations:
                if await archive_table.lock(guard, station):
                    # Only now nobody archives it or puts it back: what seemed due may not be.
                    for found in await self._ripe(station, now, month_ms):
                        if isinstance(found, str):
                            waiting.append(found)
                        else:
                            due.append(found)
            proven = await self._proven(due, waiting)
            if not proven:
                return waiting
            try:
                dropped = await drop_partition(self._pool, month_ms, proven)
            except Busy:
                dropped = False
            if not dropped:
                for one in proven:
                    waiting += await self._drop_rows(one)
                await reclaim(self._pool, month_ms)
        return waiting

    async def _proven(self, due: Sequence[Ripe], waiting: list[str]) -> list[Ripe]:
        """Those whose archive is proven; why the others must wait is added to `waiting`."""
        proven = []
        for one in due:
            try:
                await asyncio.to_thread(self._prove, one)
            except AlteredArchive as error:
                waiting.append(str(error))
                async with connection(self._pool) as conn:
                    await archive_table.distrust(conn, one.station, one.month_ms)
            except ArchiveError as error:
                waiting.append(str(error))
            else:
                proven.append(one)
        return proven

    async def _drop_rows(self, one: Ripe) -> list[str]:
        try:
            await drop_rows(self._pool, one)
        except Busy as reason:
            return [str(reason)]
        return []

    def _prove(self, one: Ripe) -> None:
        """Read every byte of the archive that stands for what will be dropped.

        Raises:
            AlteredArchive: it is needed, and missing or altered.
            ArchiveError: it is needed, and cannot be reached.
        """
        if not one.needs_archive:
            return
        if self._store is None or one.archived is None:
            raise ArchiveError(
                f"{one.name}: is due, and its archive cannot be reached: set url in [archive]"
            )
        folder = f"{place_of(one.station, one.archived.month)}/{one.archived.version}"
        check_files(self._store, folder, one.archived.sha256)
