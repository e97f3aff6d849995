"""Reads stored frames: waiting batches and blocks together, from one snapshot.

A sample is in exactly one of the two; compaction moves it within one transaction, so a reader
with one snapshot sees it once. Every block is authenticated and its CRC checked on every read;
one that fails is left out and named, never returned as data.
"""

import asyncio
import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.errors import KeyStoreError, TooMuchWork
from cloud.history.blocks.cache import DecodedCache
from cloud.vault.vault import BlockPlace, StationKeys, Vault
from contract import layouts as known_layouts
from contract.envelope import EpochKey
from contract.errors import ContractError, UnknownLayoutError
from contract.frame import Frame, Quality, decode_batch, merge
from contract.layouts import Layout

_log = logging.getLogger(__name__)

HOUR_MS: Final = 3_600_000
_MARGIN_MS: Final = 1_000
"""A sample may lie off its grid time by its jitter; the grid of stations is 1 s."""

Stream = tuple[str, bytes]
"""A device and the hash of one of its layouts."""
Grid = tuple[str, bytes, int, int, int]
"""Device, layout hash, hour_ms, step_ms, phase_ms."""
Wanted = Mapping[Stream, Collection[str] | None]
"""Which streams to read, and which signals of each; None: all."""

_HOT = """
SELECT epoch, sequence, body FROM hot_batches
WHERE station = %s AND t_last_ms >= %s AND t_first_ms < %s AND quarantined IS NULL
ORDER BY received_at, epoch, sequence
"""
_RANGE = """
FROM blocks
WHERE station = %(station)s AND hour_ms > %(start_ms)s - 3600000 AND hour_ms < %(end_ms)s
  AND device = ANY(%(devices)s) AND layout = ANY(%(layouts)b)
  AND t_last_ms >= %(start_ms)s AND t_first_ms < %(end_ms)s
"""
_VERSIONS = f"""
SELECT device, layout, hour_ms, step_ms, phase_ms, part, repeated, written_at {_RANGE}
ORDER BY device, layout, hour_ms, part
"""
_BODIES = f"""
SELECT device, layout, hour_ms, step_ms, phase_ms, part, body {_RANGE}
  AND (device, layout, hour_ms, part) IN (SELECT * FROM unnest(
    %(of_devices)s::text[], %(of_layouts)b::bytea[], %(hours)s::bigint[], %(parts)s::bigint[]))
"""  # noqa: S608 - joined of constants
_WORK = f"""
SELECT (SELECT coalesce(sum(octet_length(body)), 0) {_RANGE}) + (
    SELECT coalesce(sum(octet_length(body)), 0) FROM hot_batches
    WHERE station = %(station)s AND t_last_ms >= %(start_ms)s AND t_first_ms < %(end_ms)s
      AND quarantined IS NULL)
"""  # noqa: S608 - joined of constants


@dataclass(frozen=True)
class Found:
    """What a read gave.

    Attributes:
        by_stream: frames of the wanted signals, merged by hour and grid, so that no sample of a
            stream is in two of them; in order of time.
        repeated: samples that were stored more than once.
        damaged: blocks and batches that could not be opened, in words.
    """

    by_stream: dict[Stream, list[Frame]] = field(default_factory=dict)
    repeated: int = 0
    damaged: list[str] = field(default_factory=list)

    @property
    def frames(self) -> list[Frame]:
        """All frames, stream by stream."""
        return [frame for frames in self.by_stream.values() for frame in frames]


@dataclass(frozen=True)
class _Block:
    """A block of one snapshot: its frames when they were opened lately, else still sealed."""

    place: BlockPlace
    repeated: int
    written_at: dt.datetime
    frames: list[Frame] | None
    body: bytes = b""


@dataclass(frozen=True)
class _Sealed:
    """Rows of one snapshot: batches in order of arrival, blocks oldest first."""

    batches: list[tuple[EpochKey, int, bytes]]
    blocks: list[_Block]


class FrameReader:
    """Reads frames of one station for one process."""

    def __init__(
        self,
        pool: Pool,
        epochs: EpochKeys,
        vault: Vault,
        layouts: LayoutCatalogue,
        cache_bytes: int = 0,
    ) -> None:
        """Read with these parts; hold up to `cache_bytes` of what was opened."""
        self._pool = pool
        self._epochs = epochs
        self._vault = vault
        self._layouts = layouts
        self._opened: DecodedCache[list[Frame]] = DecodedCache(cache_bytes)
        self._told: set[str] = set()

    async def keys(self, station: str) -> StationKeys:
        """The station's keys at rest."""
        return await self._vault.keys(station)

    async def streams(self, station: str, device: str | None = None) -> dict[Stream, Layout]:
        """Return what a station (or one device of it) has ever sent."""
        async with connection(self._pool) as conn:
            cursor = await conn.execute(
                "SELECT device, layout FROM devices"
                " WHERE station = %s AND (%s::text IS NULL OR device = %s) ORDER BY device",
                [station, device, device],
                binary=True,
            )
            rows = await cursor.fetchall()
        return {(name, hash8): await self._layouts.resolve(hash8) for name, hash8 in rows}

    async def read(
        self,
        station: str,
        wanted: Wanted,
        start_ms: int,
        end_ms: int,
        *,
        most_bytes: int | None = None,
    ) -> Found:
        """Return every stored frame of the wanted streams that touches [start_ms, end_ms).

        Args:
            station: its id.
            wanted: streams, and signals of each.
            start_ms: first sample time.
            end_ms: end of the range, not in it.
            most_bytes: the most stored bytes that may be read for it.

        Raises:
            TooMuchWork: more than `most_bytes` would have to be read.
        """
        if not wanted:
            return Found()
        keys = await self._vault.keys(station)
        sealed = await self._fetch(station, wanted, start_ms, end_ms, most_bytes)
        return await self._layouts.with_known(
            lambda: asyncio.to_thread(self._unseal, sealed, keys, station, wanted)
        )

    async def _fetch(
        self, station: str, wanted: Wanted, start_ms: int, end_ms: int, most_bytes: int | None
    ) -> _Sealed:
        asked: dict[str, Any] = {
            "station": station,
            "start_ms": start_ms - _MARGIN_MS,
            "end_ms": end_ms + _MARGIN_MS,
            "devices": sorted({d for d, _ in wanted}),
            "layouts": sorted({h for _, h in wanted}),
        }
        # Waiting batches hold all devices: a backlog makes even one signal of a day expensive.
        many = len(wanted) * (end_ms - start_ms) > HOUR_MS
        async with connection(self._pool) as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if most_bytes is not None and many:
                row = await (await conn.execute(_WORK, asked)).fetchone()
                if row is not None and row[0] > most_bytes:
                    raise TooMuchWork(int(row[0]), most_bytes)
            span = [station, asked["start_ms"], asked["end_ms"]]
            hot = await (await conn.execute(_HOT, span, binary=True)).fetchall()
            cursor = await conn.execute(_VERSIONS, asked, binary=True)
            blocks = [
                _Block(place, row[6], row[7], self._opened.get((place, row[7], names)))
                for row in await cursor.fetchall()
                if (row[0], row[1]) in wanted
                for place, names in [(BlockPlace(station, *row[:6]), _names(wanted, row[:2]))]
            ]
            blocks = await _with_bodies(conn, asked, blocks)
        opened = {epoch: await self._epochs.get(station, epoch) for epoch in {r[0] for r in hot}}
        batches = [(opened[epoch], sequence, body) for epoch, sequence, body in hot]
        return _Sealed(batches, blocks)

    def _unseal(self, sealed: _Sealed, keys: StationKeys, station: str, wanted: Wanted) -> Found:
        chosen: list[Stream] = []

        def select(device: str, layout: Layout) -> Collection[str] | None:
            stream = (device, layout.hash8)
            if stream not in wanted:
                return None
            chosen.append(stream)  # a frame comes out for each of these, in this order
            names = wanted[stream]
            return [c.signal.name for c in layout.columns] if names is None else names

        found = Found()
        frames: defaultdict[Stream, list[Frame]] = defaultdict(list)
        repeated = 0
        for block in sealed.blocks:
            stream = (block.place.device, block.place.layout)
            opened = block.frames
            if opened is None:
                try:
                    plain = keys.open(block.place, block.body)
                    opened = decode_batch(plain, known_layouts.by_hash, select)
                except (KeyStoreError, ContractError) as error:
                    self._damage(found, str(block.place), error)
                    continue
                held_as = (block.place, block.written_at, _names(wanted, stream))
                self._opened.put(held_as, opened, sum(f.memory_bytes for f in opened))
            frames[stream] += opened
            repeated += block.repeated
        for key, sequence, body in sealed.batches:
            chosen.clear()
            try:
                opened = decode_batch(key.open(body, station), known_layouts.by_hash, select)
            except ContractError as error:
                name = f"batch {station} epoch {key.epoch} sequence {sequence}"
                self._damage(found, name, error)
                continue
            for stream, frame in zip(chosen, opened, strict=True):
                frames[stream].append(frame)
        for stream, pieces in sorted(frames.items()):
            whole = merged(pieces)
            repeated += sum(f.samples for f in pieces) - sum(f.samples for f in whole)
            found.by_stream[stream] = whole
        return replace(found, repeated=repeated)

    def _damage(self, found: Found, name: str, error: Exception) -> None:
        if isinstance(error, UnknownLayoutError):
            raise error  # another worker knows it: learn it and read again
        if name not in self._told:
            self._told.add(name)
            _log.error("stored data damaged place=%s reason=%s", name, error)
        found.damaged.append(name)


def _names(wanted: Wanted, stream: Stream) -> tuple[str, ...] | None:
    names = wanted[stream]
    return None if names is None else tuple(names)


async def _with_bodies(
    conn: psycopg.AsyncConnection[Any], asked: Mapping[str, Any], blocks: Sequence[_Block]
) -> list[_Block]:
    """Fetch the bodies of blocks that are not open yet."""
    places = [block.place for block in blocks if block.frames is None]
    if not places:
        return list(blocks)
    which = {
        "of_devices": [place.device for place in places],
        "of_layouts": [place.layout for place in places],
        "hours": [place.hour_ms for place in places],
        "parts": [place.part for place in places],
    }
    cursor = await conn.execute(_BODIES, {**asked, **which}, binary=True)
    bodies = {tuple(row[:6]): row[6] for row in await cursor.fetchall()}
    return [
        block if block.frames is not None else replace(block, body=bodies[block.place.key])
        for block in blocks
    ]


def by_grid(frames: Sequence[Frame]) -> dict[Grid, list[Frame]]:
    """Cut frames at full hours and sort the pieces by device, layout, hour and grid.

    Pieces of one key stay in the order of the frames.
    """
    groups: defaultdict[Grid, list[Frame]] = defaultdict(list)
    for frame in frames:
        first = frame.t0_ms - frame.t0_ms % HOUR_MS
        for hour_ms in range(first, frame.end_ms, HOUR_MS):
            piece = frame.between(hour_ms, hour_ms + HOUR_MS)
            if piece is not None:
                phase = piece.t0_ms % piece.step_ms
                key = (piece.device, piece.layout.hash8, hour_ms, piece.step_ms, phase)
                groups[key].append(piece)
    return dict(sorted(groups.items()))


def merged(frames: Sequence[Frame]) -> list[Frame]:
    """Merge frames of one stream, hour and grid, in the order in which later ones win."""
    return [pieces[0] if len(pieces) == 1 else merge(pieces) for pieces in by_grid(frames).values()]


@dataclass(frozen=True)
class Track:
    """One signal over time: times (n,), physical values (n,), quality (n,)."""

    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


def track_of(frame: Frame, signal: str, column: int, start_ms: int, end_ms: int) -> Track:
    """Cut one signal (its `column` among repeats, from 0) out of a frame."""
    times, values = frame.times_ms, frame.physical(signal)[:, column]
    quality = frame.quality_of(signal)[:, column]
    inside = start_ms <= times[0] and times[-1] < end_ms and frame.jitter_ms is None
    rows = frame.present
    if not inside:
        rows = rows & (times >= start_ms) & (times < end_ms)
    if inside and rows.all():
        return Track(times, values, quality)
    return Track(times[rows], values[rows], quality[rows])


def join(tracks: Sequence[Track]) -> Track:
    """Join tracks in time; at one time a value wins over a missing one, then the later track."""
    if not tracks:
        empty = np.zeros(0)
        return Track(empty.astype(np.int64), empty, empty.astype(np.uint8))
    times = np.concatenate([one.times_ms for one in tracks])
    values = np.concatenate([one.values for one in tracks])
    quality = np.concatenate([one.quality for one in tracks])
    if (times[1:] > times[:-1]).all():
        return Track(times, values, quality)
    order = np.lexsort((np.arange(len(times)), quality != Quality.MISSING, times))
    times = times[order]
    last = np.ones(len(times), dtype=np.bool_)
    last[:-1] = times[1:] != times[:-1]
    return Track(times[last], values[order][last], quality[order][last])
