"""Puts an archived month back, whole, whatever of it is still or already here.

Every file is checked byte by byte before the first row is used. Then each row is stored that is
not here yet: samples kept around events, late ones, and those that an interrupted restore has put
back stay as they are, so a restore may be run again at any time. When all is in, it is read back
and compared, and only then does the month count as whole again.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.errors import ArchiveError
from cloud.history.archive import table as archive_table
from cloud.history.archive.format import frames_of
from cloud.history.archive.manifest import Manifest, month_range
from cloud.history.archive.month import Say, check_files, read_manifest
from cloud.history.archive.store import ArchiveStore, place_of
from cloud.history.archive.table import Archived, NewArchive
from cloud.history.blocks.backfill import backfill
from cloud.history.blocks.reading import HOUR_MS, FrameReader, Grid
from cloud.history.rollups.arithmetic import MINUTE_MS, QUARTER_MS
from cloud.vault.vault import Vault
from contract.frame import Frame, Quality, merge
from contract.layouts import Layout

_log = logging.getLogger(__name__)

_MARK: Final = """
INSERT INTO dirty (station, minute_ms, mark)
SELECT %s, minute_ms, nextval('dirty_marks') FROM unnest(%s::bigint[]) AS minute_ms
ON CONFLICT (station, minute_ms) DO UPDATE SET mark = excluded.mark
"""
_MARK_WHOLE_QUARTERS: Final = """
INSERT INTO dirty (station, minute_ms, mark)
SELECT %(s)s, quarter_ms + minute * %(minute)s, nextval('dirty_marks')
FROM (SELECT DISTINCT minute_ms - minute_ms %% %(quarter)s AS quarter_ms FROM dirty
      WHERE station = %(s)s AND minute_ms >= %(start)s AND minute_ms < %(end)s) AS late,
     generate_series(0, %(quarter)s / %(minute)s - 1) AS minute
ON CONFLICT DO NOTHING
"""
_WHOLE_AGAIN: Final = "DELETE FROM dropped_blocks WHERE station = %s AND month_ms = %s AND archived"


@dataclass(frozen=True)
class Restored:
    """What a restore has done.

    Attributes:
        manifest: of the version that was put back.
        put_back: samples that were not here.
        vouched: whether this store had verified this very version before.
    """

    manifest: Manifest
    put_back: int
    vouched: bool


@dataclass(frozen=True)
class Source:
    """A version in a store, and the hash that its manifest must have (None: not known here)."""

    store: ArchiveStore
    version: str
    sha256: bytes | None


class Restorer:
    """Puts months back into one store."""

    def __init__(
        self, pool: Pool, vault: Vault, layouts: LayoutCatalogue, reader: FrameReader
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._layouts = layouts
        self._reader = reader

    async def restore(
        self,
        station: str,
        month: dt.date,
        store: ArchiveStore,
        kept_until: dt.datetime | None,
        say: Say = _log.info,
    ) -> Restored | None:
        """Put a month back for a person: all its rollups are computed again as well.

        Args:
            station: it must be known here.
            month: its first day.
            store: where its archive is.
            kept_until: retention leaves the month alone until then.
            say: told what happens.

        Returns:
            What was done; None when another process is at the station's past months.

        Raises:
            ArchiveError: there is no archive of it; a file of it was altered; what is stored here
                is damaged.
        """
        async with connection(self._pool) as guard, guard.transaction():
            if not await archive_table.lock(guard, station):
                return None
            source = await self._source(station, month, store)
            return await self.restore_locked(
                station, month, source, kept_until, say, all_minutes=True
            )

    async def restore_locked(
        self,
        station: str,
        month: dt.date,
        source: Source,
        kept_until: dt.datetime | None,
        say: Say,
        *,
        all_minutes: bool,
    ) -> Restored:
        """The same, for a caller that holds the lock.

        `all_minutes`: compute all rollups again, not only those that late data have touched.
        """
        folder = f"{place_of(station, month)}/{source.version}"
        say(f"{station} {month:%Y-%m}: reading {source.store.url}/{folder}")
        sha256 = await asyncio.to_thread(check_files, source.store, folder, source.sha256)
        manifest = await asyncio.to_thread(read_manifest, source.store, folder, sha256)
        if (manifest.station, manifest.month) != (station, month):
            raise ArchiveError(
                f"archive {source.store.url}/{folder}: is of {manifest.station} "
                f"{manifest.month:%Y-%m}; put its folder where it belongs"
            )
        for layout in manifest.layouts.values():
            await self._layouts.store(layout)
        put_back = await self._put_back(manifest, source.store, folder)
        say(f"{station} {month:%Y-%m}: {put_back:,} samples put back, comparing")
        minutes = await self._compare(manifest, source.store, folder)
        new = NewArchive(
            *(source.version, f"{source.store.url}/{folder}", sha256, put_back),
            *(manifest.samples, manifest.size),
        )
        await self._finish(manifest, new, kept_until, minutes if all_minutes else [])
        return Restored(manifest, put_back, source.sha256 is not None)

    async def _source(self, station: str, month: dt.date, store: ArchiveStore) -> Source:
        async with connection(self._pool) as conn:
            known = await conn.execute("SELECT FROM stations WHERE id = %s", [station])
            if await known.fetchone() is None:
                raise ArchiveError(
                    f"there is no station {station!r} here: make it in the console first"
                )
            row = await archive_table.find(conn, station, month_range(month)[0])
        versions = await asyncio.to_thread(store.versions, station, month)
        if not versions:
            raise ArchiveError(f"archive {store.url}: has no {station} {month:%Y-%m}")
        if row is None:
            return Source(store, versions[-1], None)
        if row.version in versions:
            return source_of(row, store)
        # A store restored from a backup may be older than its archive: later versions have more.
        newest = f"{place_of(station, month)}/{versions[-1]}"
        manifest = await asyncio.to_thread(read_manifest, store, newest)
        if manifest.samples < row.samples:
            raise ArchiveError(
                f"archive {store.url}/{newest}: has {manifest.samples} samples; verified here was "
                f"version {row.version} at {row.url} with {row.samples}: name its place with --from"
            )
        return Source(store, versions[-1], None)

    async def _put_back(self, manifest: Manifest, store: ArchiveStore, folder: str) -> int:
        total = 0
        async for frames, stored in self._pairs(manifest, store, folder):
            absent = [one for frame in frames if (one := absent_rows(frame, stored)) is not None]
            if absent:
                await backfill(
                    *(self._pool, self._vault, self._layouts, manifest.station, absent), mark=False
                )
                total += sum(int(frame.present.sum()) for frame in absent)
        return total

    async def _compare(self, manifest: Manifest, store: ArchiveStore, folder: str) -> list[int]:
        """Return the minutes that the month has samples in.

        Raises:
            ArchiveError: a row of the archive is not stored here.
        """
        minutes: set[int] = set()
        samples = 0
        async for frames, stored in self._pairs(manifest, store, folder):
            for frame in frames:
                if absent_rows(frame, stored) is not None:
                    raise ArchiveError(
                        f"{manifest.station} {manifest.month:%Y-%m}: samples of {frame.device} "
                        f"from {frame.t0_ms} are not stored as the archive has them; run it again"
                    )
                rows = np.flatnonzero(frame.present)
                samples += len(rows)
                grid = frame.t0_ms + frame.step_ms * rows
                minutes.update(np.unique(grid - grid % MINUTE_MS).tolist())
        if samples != manifest.samples:
            raise ArchiveError(
                f"{manifest.station} {manifest.month:%Y-%m}: the archive's files have {samples} "
                f"samples, its manifest says {manifest.samples}"
            )
        return sorted(minutes)

    async def _pairs(
        self, manifest: Manifest, store: ArchiveStore, folder: str
    ) -> AsyncIterator[tuple[list[Frame], dict[Grid, Frame]]]:
        """Yield row group by row group what the archive has, and what is stored of these hours."""
        for file, layout in manifest.layouts.items():
            with ExitStack() as stack:
                path = f"{folder}/{file}"
                opened = await asyncio.to_thread(stack.enter_context, store.open(path))
                parquet = await asyncio.to_thread(pq.ParquetFile, opened)
                for number in range(parquet.num_row_groups):
                    table = await asyncio.to_thread(parquet.read_row_group, number)
                    frames = await asyncio.to_thread(frames_of, table, layout)
                    yield frames, await self._stored(manifest.station, frames, layout)

    async def _stored(
        self, station: str, frames: Sequence[Frame], layout: Layout
    ) -> dict[Grid, Frame]:
        start_ms = min(frame.t0_ms for frame in frames)
        end_ms = max(frame.end_ms for frame in frames)
        stream = frames[0].device, layout.hash8
        found = await self._reader.read(
            station, {stream: None}, start_ms - start_ms % HOUR_MS, end_ms + -end_ms % HOUR_MS
        )
        if found.damaged:
            raise ArchiveError(
                f"{station}: damaged in the store: {'; '.join(found.damaged)}; restore it from a "
                "backup first"
            )
        return {grid_of(frame): frame for frame in found.frames}

    async def _finish(
        self,
        manifest: Manifest,
        new: NewArchive,
        kept_until: dt.datetime | None,
        minutes: Sequence[int],
    ) -> None:
        """Make the month whole: its samples may be dropped again, its rollups computed again."""
        station, month_ms = manifest.station, manifest.start_ms
        span = {"minute": MINUTE_MS, "quarter": QUARTER_MS, "start": month_ms}
        async with connection(self._pool) as conn, conn.transaction():
            before = await archive_table.lock_month(conn, station, month_ms)
            row = await archive_table.find(conn, station, month_ms)
            await conn.execute(_WHOLE_AGAIN, [station, month_ms])
            after = await archive_table.counted(conn, station, month_ms)
            known = 0 if row is None else row.counted
            # What was dropped is replaced by what was put back; what came late still came late.
            counted = new.counted if row is None else known - (before - after) + new.counted
            entered = replace(new, counted=counted)
            await archive_table.record(conn, station, month_ms, entered, kept_until)
            if minutes:
                await conn.execute(_MARK, [station, list(minutes)])
            else:
                await conn.execute(
                    _MARK_WHOLE_QUARTERS, {"s": station, "end": manifest.end_ms, **span}
                )


def source_of(row: Archived, store: ArchiveStore) -> Source:
    """The version that table `archives` vouches for."""
    return Source(store, row.version, row.sha256)


def grid_of(frame: Frame) -> Grid:
    """The grid and hour of a frame that lies in one hour."""
    hour_ms = frame.t0_ms - frame.t0_ms % HOUR_MS
    return (
        *(frame.device, frame.layout.hash8, hour_ms),
        *(frame.step_ms, frame.t0_ms % frame.step_ms),
    )


def absent_rows(archived: Frame, stored: Mapping[Grid, Frame]) -> Frame | None:
    """Return the rows of a frame that must be stored so that nothing of it is missing.

    Where a sample of the same time is stored already it came later, so its values win, as they
    would have had both been stored in their order; the row is then returned with the values of
    both. None: all is there.
    """
    there = stored.get(grid_of(archived))
    if there is None:
        return archived
    whole = merge([archived, there])
    absent = np.flatnonzero(~_same_rows(whole, _over(there, whole)))
    if not len(absent):
        return None
    quality = np.full_like(whole.quality, Quality.MISSING)
    quality[absent] = whole.quality[absent]
    first, last = (whole.t0_ms + int(row) * whole.step_ms for row in (absent[0], absent[-1]))
    return replace(whole, quality=quality).between(first, last + 1)


def _over(frame: Frame, whole: Frame) -> Frame:
    """A frame over the grid of a longer one, MISSING where it has no row."""
    nothing = replace(whole, quality=np.full_like(whole.quality, Quality.MISSING))
    return merge([nothing, frame])


def _same_rows(one: Frame, other: Frame) -> NDArray[np.bool_]:
    """Rows in which two frames of one grid and range are equal."""
    same: NDArray[np.bool_] = one.times_ms == other.times_ms
    same &= (one.quality == other.quality).all(axis=1)
    for a, b in zip(one.values, other.values, strict=True):
        same &= (_bits(a) == _bits(b)).all(axis=1)
    return same


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """Floats as what they are made of: a NaN equals itself then."""
    return np.ascontiguousarray(values).view(np.uint32) if values.dtype.kind == "f" else values
