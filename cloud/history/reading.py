"""Reads stored frames: waiting batches and blocks together, from one snapshot.

A sample is in exactly one of the two; compaction moves it within one transaction, so a reader
with one snapshot sees it once.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.history.vault import BlockPlace, StationKeys, Vault
from contract import layouts as known_layouts
from contract.envelope import EpochKey
from contract.frame import Frame, Quality, decode, decode_batch
from contract.layouts import Layout

HOUR_MS: Final = 3_600_000
_MARGIN_MS: Final = 1_000
"""A sample may lie off its grid time by its jitter; the grid of stations is 1 s."""

Stream = tuple[str, bytes]
"""A device and the hash of one of its layouts."""

_T = TypeVar("_T")

_HOT = """
SELECT epoch, body FROM hot_batches
WHERE station = %s AND t_last_ms >= %s AND t_first_ms < %s AND quarantined IS NULL
ORDER BY received_at, epoch, sequence
"""
_BLOCKS = """
SELECT device, layout, hour_ms, step_ms, phase_ms, part, repeated, body FROM blocks
WHERE station = %s AND hour_ms > %s AND hour_ms < %s
  AND device = ANY(%s) AND layout = ANY(%b)
ORDER BY device, layout, hour_ms, part
"""


@dataclass(frozen=True)
class _Sealed:
    """Rows of one snapshot, still sealed: batches in order of arrival, blocks oldest first."""

    batches: list[tuple[EpochKey, bytes]]
    blocks: list[tuple[BlockPlace, int, bytes]]


class FrameReader:
    """Reads frames of one station for one process."""

    def __init__(
        self, pool: Pool, epochs: EpochKeys, vault: Vault, layouts: LayoutCatalogue
    ) -> None:
        self._pool = pool
        self._epochs = epochs
        self._vault = vault
        self._layouts = layouts

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
        streams: Collection[Stream],
        start_ms: int,
        end_ms: int,
        take: Callable[[Frame, int], _T],
    ) -> list[_T]:
        """Call `take(frame, repeated)` on every stored frame that touches [start_ms, end_ms).

        Frames come in the order in which later ones win: blocks by part, then batches by
        arrival. `take` runs in a thread and should keep only what it needs; `repeated` is how
        many samples of a block had been stored more than once before they were merged.
        """
        if not streams:
            return []
        keys = await self._vault.keys(station)
        sealed = await self._fetch(station, streams, start_ms, end_ms)
        return await self._layouts.with_known(
            lambda: asyncio.to_thread(_unseal, sealed, keys, station, set(streams), take)
        )

    async def _fetch(
        self, station: str, streams: Collection[Stream], start_ms: int, end_ms: int
    ) -> _Sealed:
        start_ms, end_ms = start_ms - _MARGIN_MS, end_ms + _MARGIN_MS
        devices, hashes = sorted({d for d, _ in streams}), sorted({h for _, h in streams})
        async with connection(self._pool) as conn, conn.transaction():
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor = await conn.execute(_HOT, [station, start_ms, end_ms], binary=True)
            hot = await cursor.fetchall()
            cursor = await conn.execute(
                _BLOCKS, [station, start_ms - HOUR_MS, end_ms, devices, hashes], binary=True
            )
            blocks = await cursor.fetchall()
        opened = {epoch: await self._epochs.get(station, epoch) for epoch in {r[0] for r in hot}}
        return _Sealed(
            [(opened[epoch], body) for epoch, body in hot],
            [(BlockPlace(station, *row[:6]), row[6], row[7]) for row in blocks],
        )


def _unseal(
    sealed: _Sealed,
    keys: StationKeys,
    station: str,
    streams: set[Stream],
    take: Callable[[Frame, int], _T],
) -> list[_T]:
    taken = [
        take(decode(keys.open(place, body), known_layouts.by_hash), repeated)
        for place, repeated, body in sealed.blocks
        if (place.device, place.layout) in streams
    ]
    for key, body in sealed.batches:
        for frame in decode_batch(key.open(body, station), known_layouts.by_hash):
            if (frame.device, frame.layout.hash8) in streams:
                taken.append(take(frame, 0))  # noqa: PERF401 - two levels of frames
    return taken


def present_rows(frame: Frame) -> NDArray[np.bool_]:
    """Rows that are samples (not gaps of the grid), shape (n,)."""
    return np.asarray((frame.quality != Quality.MISSING).any(axis=1))


@dataclass(frozen=True)
class Track:
    """One signal of one frame: times (n,), physical values (n,), quality (n,)."""

    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


def track_of(frame: Frame, signal: str, column: int, start_ms: int, end_ms: int) -> Track:
    """Cut one signal (its `column` among repeats, from 0) out of a frame."""
    times = frame.times_ms
    rows = present_rows(frame) & (times >= start_ms) & (times < end_ms)
    return Track(
        times[rows],
        frame.physical(signal)[rows, column],
        frame.quality_of(signal)[rows, column].copy(),
    )


def join(tracks: Sequence[Track]) -> Track:
    """Join tracks in the order in which later ones win; a missing value wins over nothing."""
    if not tracks:
        empty = np.zeros(0)
        return Track(empty.astype(np.int64), empty, empty.astype(np.uint8))
    times = np.concatenate([one.times_ms for one in tracks])
    values = np.concatenate([one.values for one in tracks])
    quality = np.concatenate([one.quality for one in tracks])
    order = np.lexsort((np.arange(len(times)), quality != Quality.MISSING, times))
    times = times[order]
    last = np.ones(len(times), dtype=np.bool_)
    last[:-1] = times[1:] != times[:-1]
    return Track(times[last], values[order][last], quality[order][last])
