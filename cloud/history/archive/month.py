"""Archives a past month of a station, and proves that the archive holds what is stored.

A version is written from one reading of the blocks, read back byte by byte, and its rows compared
with a second reading of the blocks. Only then does it get its manifest, without which it does not
count, and is entered in table `archives`; and only what is entered there may be dropped. What is
killed before leaves nothing that counts.
"""

import asyncio
import datetime as dt
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

import pyarrow.parquet as pq

from cloud.db.pool import Pool, connection
from cloud.errors import AlteredArchive, ArchiveError, Unavailable
from cloud.history.archive import table as archive_table
from cloud.history.archive.files import Filling, file_names, split
from cloud.history.archive.format import (
    canonical,
    frames_of,
)
from cloud.history.archive.manifest import ArchivedFile, Manifest, month_range
from cloud.history.archive.store import MANIFEST, ArchiveStore, Draft
from cloud.history.archive.table import NewArchive
from cloud.history.blocks.reading import FrameReader, Stream
from cloud.history.retention.policy import Policy
from cloud.history.rollups.store import DAY_MS
from contract.frame import Frame
from contract.layouts import Layout

_log = logging.getLogger(__name__)

Say = Callable[[str], None]

_STREAMS: Final = """
SELECT DISTINCT device, layout FROM blocks WHERE station = %s AND hour_ms >= %s AND hour_ms < %s
"""


class NothingToArchive(ArchiveError):  # noqa: N818 - told apart by those who archive all
    """A month has no samples, or none that the policy archives."""


class Archivist:
    """Writes archives of one store."""

    def __init__(
        self, pool: Pool, reader: FrameReader, store: ArchiveStore, policy: Policy
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._store = store
        self._policy = policy

    async def archive(
        self, station: str, month: dt.date, now: dt.datetime, say: Say = _log.info
    ) -> Manifest | None:
        """Archive a month; None when another process is at the station's past months.

        Raises:
            ArchiveError: the month is not over, or not whole here; stored parts of it are damaged;
                the store cannot be written; what was read back is not what is stored; or data came
                meanwhile. Nothing counts then that did not before.
        """
        async with connection(self._pool) as guard, guard.transaction():
            if not await archive_table.lock(guard, station):
                return None
            return await self.archive_locked(station, month, now, say)

    async def archive_locked(
        self, station: str, month: dt.date, now: dt.datetime, say: Say
    ) -> Manifest:
        """The same, for a caller that holds the lock (`archive_table.lock`)."""
        start_ms, end_ms = month_range(month)
        name = f"{station} {month:%Y-%m}"
        counted = await self._require_whole(station, month, now)
        streams = await self._streams(station, start_ms, end_ms)
        if not streams:
            raise NothingToArchive(f"{name}: there is nothing to archive")
        draft = await asyncio.to_thread(self._store.begin, station, month, now)
        sha256: bytes | None = None
        try:
            say(f"{name}: writing {len(streams)} devices to {self._store.url}/{draft.folder}")
            layouts = file_names(streams.values())
            files = [
                await self._write(draft, station, (start_ms, end_ms), file, _of(streams, layout))
                for file, layout in layouts.items()
            ]
            manifest = Manifest(station, month, start_ms, end_ms, now, tuple(files), layouts)
            say(f"{name}: reading it back")
            await asyncio.to_thread(check_data, self._store, draft.writing, manifest)
            await self._compare(draft, manifest, streams)
            text = manifest.to_json()
            sha256 = hashlib.sha256(text).digest()
            await asyncio.to_thread(draft.publish, text)
            await asyncio.to_thread(read_manifest, self._store, draft.folder, sha256)
            await self._enter(draft, manifest, sha256, counted)
        except BaseException:
            await self._take_back(draft, station, start_ms, sha256)
            raise
        await self._remove_older(station, month, draft.version)
        say(f"{name}: {manifest.samples:,} samples in {manifest.size / 1e6:,.1f} MB, verified")
        return manifest

    async def _require_whole(self, station: str, month: dt.date, now: dt.datetime) -> int:
        start_ms, end_ms = month_range(month)
        name = f"{station} {month:%Y-%m}"
        if end_ms > now.timestamp() * 1000:
            raise ArchiveError(f"{name}: the month is not over; archive it when it is (UTC)")
        async with connection(self._pool) as conn:
            stored = {one.month_ms: one for one in await archive_table.stored_months(conn, station)}
        found = stored.get(start_ms)
        if found is None:
            raise NothingToArchive(f"{name}: there is nothing to archive")
        if found.gone:
            raise ArchiveError(
                f"{name}: a part of it was dropped here: put it back first with `history "
                "restore-archive`; late data are added to the archive by the retention job"
            )
        if found.waiting:
            raise ArchiveError(
                f"{name}: batches of it wait to be compacted; run it again in some minutes"
            )
        return found.counted

    async def _streams(self, station: str, start_ms: int, end_ms: int) -> dict[Stream, Layout]:
        known = await self._reader.streams(station)
        async with connection(self._pool) as conn:
            cursor = await conn.execute(_STREAMS, [station, start_ms, end_ms], binary=True)
            rows = sorted((device, bytes(layout)) for device, layout in await cursor.fetchall())
        return {
            stream: known[stream] for stream in rows if self._policy.rule_of(known[stream]).archive
        }

    async def _write(
        self,
        draft: Draft,
        station: str,
        span: tuple[int, int],
        file: str,
        streams: Mapping[Stream, Layout],
    ) -> ArchivedFile:
        layout = next(iter(streams.values()))
        with ExitStack() as stack:
            sink = await asyncio.to_thread(stack.enter_context, draft.create(file))
            filling = Filling(sink, layout)
            stack.callback(filling.close)
            for stream in streams:
                async for frames in self.chunks(station, stream, layout, span):
                    await asyncio.to_thread(filling.add, frames)
            await asyncio.to_thread(stack.close)
        return filling.described(file)

    async def chunks(
        self, station: str, stream: Stream, layout: Layout, span: tuple[int, int]
    ) -> AsyncIterator[list[Frame]]:
        """Yield what is stored of a stream in the pieces that become row groups, oldest first.

        Raises:
            ArchiveError: a stored part of it is damaged.
        """
        for day_ms in range(*span, DAY_MS):
            found = await self._reader.read(station, {stream: None}, day_ms, day_ms + DAY_MS)
            if found.damaged:
                raise ArchiveError(
                    f"{station}: damaged in the store: {'; '.join(found.damaged)}; restore it from "
                    "a backup: a month is archived whole or not at all"
                )
            for piece in split(canonical(found.frames, day_ms, day_ms + DAY_MS), layout):
                yield piece

    async def _compare(
        self, draft: Draft, manifest: Manifest, streams: Mapping[Stream, Layout]
    ) -> None:
        """Compare every row group of a version with a second reading of what is stored."""
        span = manifest.start_ms, manifest.end_ms
        for file, layout in manifest.layouts.items():
            path, number = f"{draft.writing}/{file}", 0
            with ExitStack() as stack:
                opened = await asyncio.to_thread(stack.enter_context, self._store.open(path))
                parquet = await asyncio.to_thread(pq.ParquetFile, opened)
                for stream in _of(streams, layout):
                    async for frames in self.chunks(manifest.station, stream, layout, span):
                        same = number < parquet.num_row_groups and await asyncio.to_thread(
                            _holds, parquet, number, frames, layout
                        )
                        if not same:
                            raise ArchiveError(
                                f"archive {path}: row group {number} is not what is stored of "
                                f"{stream[0]}; data came meanwhile, or the store does not keep "
                                "what it is given"
                            )
                        number += 1
                if number != parquet.num_row_groups:
                    raise ArchiveError(f"archive {path}: has row groups that are not stored here")

    async def _enter(self, draft: Draft, manifest: Manifest, sha256: bytes, counted: int) -> None:
        new = NewArchive(
            *(draft.version, f"{self._store.url}/{draft.folder}", sha256, counted),
            *(manifest.samples, manifest.size),
        )
        async with connection(self._pool) as conn, conn.transaction():
            now = await archive_table.lock_month(conn, manifest.station, manifest.start_ms)
            if now != counted:
                raise ArchiveError(
                    f"{manifest.station} {manifest.month:%Y-%m}: data came while it was archived; "
                    "run it again"
                )
            await archive_table.record(conn, manifest.station, manifest.start_ms, new)

    async def _take_back(
        self, draft: Draft, station: str, month_ms: int, sha256: bytes | None
    ) -> None:
        """Remove a version that came to nothing, unless it was entered all the same.

        Where the database cannot be asked, a published version stays: it is whole, and the next
        one replaces it.
        """
        if sha256 is not None:
            try:
                async with connection(self._pool) as conn:
                    row = await archive_table.find(conn, station, month_ms)
            except Unavailable:
                return
            if row is not None and (row.version, row.sha256) == (draft.version, sha256):
                return
        # What cannot be removed now does not count, and is cleared away by the next version.
        with suppress(ArchiveError):
            await asyncio.to_thread(draft.discard)

    async def _remove_older(self, station: str, month: dt.date, current: str) -> None:
        versions = await asyncio.to_thread(self._store.versions, station, month)
        for version in versions:
            if version != current:
                await asyncio.to_thread(self._store.remove, station, month, version)


def check_files(store: ArchiveStore, folder: str, sha256: bytes | None = None) -> bytes:
    """Read every byte of a version and compare it with its manifest; return the manifest's hash.

    Args:
        store: where the version is.
        folder: its place there.
        sha256: the hash that its manifest must have, if it is known.

    Raises:
        AlteredArchive: a file is missing or was altered; the text names it.
        ArchiveError: the store cannot be read.
    """
    found, _ = store.sha256(f"{folder}/{MANIFEST}")
    check_data(store, folder, read_manifest(store, folder, sha256 or found))
    return found


def check_data(store: ArchiveStore, folder: str, manifest: Manifest) -> None:
    """Read every byte of the files of a version and compare their hashes.

    Raises:
        AlteredArchive: a file is missing or was altered; the text names it.
        ArchiveError: the store cannot be read.
    """
    for file in manifest.files:
        digest, size = store.sha256(f"{folder}/{file.name}")
        if (digest.hex(), size) != (file.sha256, file.size):
            raise AlteredArchive(
                f"archive {store.url}/{folder}/{file.name}: was altered: {size} bytes of hash "
                f"{digest.hex()[:16]}..., written were {file.size} of {file.sha256[:16]}...; "
                "nothing of this version is used"
            )


def read_manifest(store: ArchiveStore, folder: str, sha256: bytes | None = None) -> Manifest:
    """Return the manifest of a version.

    Raises:
        AlteredArchive: it is missing, was altered, or is not the one of hash `sha256`.
        ArchiveError: the store cannot be read, or it is of another format.
    """
    path = f"{folder}/{MANIFEST}"
    name = f"archive {store.url}/{path}"
    text = store.read(path)
    if sha256 is not None and hashlib.sha256(text).digest() != sha256:
        raise AlteredArchive(
            f"{name}: is not the manifest that was verified (table archives); nothing of this "
            "version is used"
        )
    return Manifest.from_json(text, name)


def _holds(parquet: Any, number: int, frames: Sequence[Frame], layout: Layout) -> bool:
    return frames_of(parquet.read_row_group(number), layout) == list(frames)


def _of(streams: Mapping[Stream, Layout], layout: Layout) -> dict[Stream, Layout]:
    return {stream: layout for stream in streams if stream[1] == layout.hash8}
