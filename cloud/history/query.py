"""The query face of history: series, cells at a time, stored samples, counts."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.history.answers import Answers
from cloud.history.asked import check
from cloud.history.blocks.counts import ledger_counts
from cloud.history.blocks.reading import HOUR_MS, FrameReader
from cloud.history.cell_map import ESTIMATED, MEASURED, cells_at, newest_cells
from cloud.history.horizon import Horizons
from cloud.history.known import first_ms, last_ms
from cloud.history.model import (
    CellsAt,
    LedgerCounts,
    QueryResult,
    Resolution,
    SignalRef,
    StoredSamples,
)
from cloud.history.resolution import AUTO_POINTS, STEP_MS, checked_range, require_fits
from cloud.history.rollups.store import Opened
from cloud.vault.vault import Vault

_STREAM_POINTS: Final = 200_000
"""Points of one piece of a stream, about 10 MB in memory."""


@dataclass(frozen=True)
class Limits:
    """What one query may cost.

    Attributes:
        points: in one answer.
        read_bytes: stored bytes read for one answer, or for one piece of a stream.
        cache_bytes: memory for what was opened lately.
    """

    points: int
    read_bytes: int = 256_000_000
    cache_bytes: int = 128_000_000


class History:
    """Reads what is stored. One per worker process."""

    def __init__(
        self,
        pool: Pool,
        epochs: EpochKeys,
        vault: Vault,
        layouts: LayoutCatalogue,
        limits: Limits,
    ) -> None:
        self._pool = pool
        self._limits = limits
        half = limits.cache_bytes // 2
        self._reader = FrameReader(pool, epochs, vault, layouts, half)
        self._horizons = Horizons(pool)
        self._answers = Answers(pool, self._reader, Opened(half), limits.read_bytes)

    @property
    def reader(self) -> FrameReader:
        """Reads what is stored, frame by frame."""
        return self._reader

    async def query(
        self,
        station: str,
        signals: Sequence[SignalRef],
        start_ms: int,
        end_ms: int,
        *,
        resolution: Resolution = Resolution.AUTO,
        max_points: int | None = None,
        timezone: str = "UTC",
    ) -> QueryResult:
        """Return the series of `signals` over [start_ms, end_ms), in the order asked.

        A raw series has one point per sample; a value that was missing or invalid in a sample
        is NaN. Where there was no sample there is no point, and a bucket without a usable value
        is absent: nothing is filled in. A bucket is in the answer when its start lies in the
        range, and is then whole. AUTO takes the finest resolution that fits and is still kept
        over the whole range; `notes` say what is not.

        Raises:
            NotFound: the station has no such device or signal.
            BadQuery: empty range, missing or wrong index, unknown time zone.
            TooManyPoints: the answer would be larger than allowed; the text says what fits.
            TooMuchWork: more would have to be read than allowed; the text says how to narrow.
        """
        limit = min(max_points or self._limits.points, self._limits.points)
        per_series = min(limit // max(len(signals), 1), AUTO_POINTS)
        asked = await check(
            *(self._reader, self._horizons, station, signals, (start_ms, end_ms)),
            resolution=resolution,
            per_series=per_series,
            timezone=timezone,
        )
        require_fits(asked.resolution, asked.end_ms - asked.start_ms, len(signals), limit)
        return await self._answers.answer(asked)

    async def stream(
        self,
        station: str,
        signals: Sequence[SignalRef],
        start_ms: int,
        end_ms: int,
        *,
        resolution: Resolution = Resolution.RAW,
        timezone: str = "UTC",
    ) -> AsyncIterator[QueryResult]:
        """Yield the answer of any size in pieces, oldest first, each bounded in memory.

        The pieces are disjoint and together the same as one answer. Errors as in `query`, the
        first before the first piece.
        """
        asked = await check(
            *(self._reader, self._horizons, station, signals, (start_ms, end_ms)),
            resolution=resolution,
            per_series=AUTO_POINTS,
            timezone=timezone,
        )
        first, last = await first_ms(self._pool, station), await last_ms(self._pool, station)
        if first is not None and last is not None:  # nothing lies outside: no empty pieces
            start_ms = min(max(asked.start_ms, first), asked.end_ms - 1)
            end_ms = max(min(asked.end_ms, last), start_ms + 1)
            asked = replace(asked, start_ms=start_ms, end_ms=end_ms)
        piece_ms = _STREAM_POINTS // len(signals) * STEP_MS[asked.resolution]
        piece_ms = max(piece_ms // HOUR_MS, 1) * HOUR_MS
        at_ms = asked.start_ms
        while at_ms < asked.end_ms:
            until_ms = min((at_ms // piece_ms + 1) * piece_ms, asked.end_ms)
            yield await self._answers.answer(replace(asked, start_ms=at_ms, end_ms=until_ms))
            at_ms = until_ms

    async def cells_at(
        self, station: str, device: str, at_ms: int | None = None, signal: str = MEASURED
    ) -> CellsAt:
        """Return the newest cell values of a rack at or before `at_ms` (None: newest).

        They are those of all signals that travel with `signal` (`MEASURED` or `ESTIMATED`). Where
        samples of that time are no longer kept, the means of its quarter hour.

        Raises:
            NotFound: the station has no such rack, or no cell values that old.
            DamagedHistory: the stored values of that time cannot be opened.
        """
        return await cells_at(self._pool, self._reader, station, device, at_ms, signal=signal)

    async def newest_estimates(self, station: str) -> list[CellsAt]:
        """Return what is newly estimated of the cells of every rack, rack by rack.

        Racks of which nothing has come lately are left out.

        Raises:
            DamagedHistory: the stored values of that time cannot be opened.
        """
        return await newest_cells(self._pool, self._reader, station, ESTIMATED)

    async def samples(
        self, station: str, device: str, layout: str, start_ms: int, end_ms: int
    ) -> StoredSamples:
        """Return the sample times really stored for one device and layout.

        They are decoded from the stored bodies. `duplicated` counts every stored copy beyond the
        first, including those that compaction found when it merged the blocks of these hours.
        """
        start_ms, end_ms = checked_range(start_ms, end_ms)
        streams = await self._reader.streams(station, device)
        wanted = {
            stream: [known.columns[0].signal.name]
            for stream, known in streams.items()
            if known.name == layout
        }
        found = await self._reader.read(station, wanted, start_ms, end_ms)
        times = [frame.times_ms[frame.present] for frame in found.frames]
        every = np.concatenate([np.zeros(0, dtype=np.int64), *times])
        every = every[(every >= start_ms) & (every < end_ms)]
        unique = np.unique(every)
        again = len(every) - len(unique) + found.repeated
        return StoredSamples(unique, again, tuple(found.damaged))

    async def ledger(self, station: str, start_ms: int, end_ms: int) -> LedgerCounts:
        """Count what the ledger and the disk hold for samples in [start_ms, end_ms)."""
        start_ms, end_ms = checked_range(start_ms, end_ms)
        await self._reader.streams(station)  # makes the layouts of its blocks known
        async with connection(self._pool) as conn:
            return await ledger_counts(conn, station, start_ms, end_ms)
