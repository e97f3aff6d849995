"""The query face of history: series, cells at a time, stored samples, counts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool, connection
from cloud.epochs import EpochKeys
from cloud.errors import BadQuery, NotFound
from cloud.history.blocks.counts import ledger_counts
from cloud.history.blocks.reading import HOUR_MS, Found, FrameReader, Stream, join, track_of
from cloud.history.cell_map import cells_at
from cloud.history.horizon import Horizons, notes
from cloud.history.known import first_ms, last_ms
from cloud.history.model import (
    CellsAt,
    LedgerCounts,
    Note,
    QueryResult,
    Resolution,
    Series,
    SignalRef,
    StoredSamples,
    Tier,
)
from cloud.history.resolution import (
    AUTO_POINTS,
    STEP_MS,
    calendar,
    checked_range,
    choose,
    require_fits,
    zone,
)
from cloud.history.rollups.arithmetic import MINUTE_MS, Buckets, scaled, united
from cloud.history.rollups.cells import read_cells
from cloud.history.rollups.store import MINUTES, QUARTERS, Opened, read_signals
from cloud.history.series import of_buckets, of_cell_days, of_track, regrouped
from cloud.vault.vault import Vault
from contract.frame import Frame
from contract.layouts import Layout

_MOST_BUCKETS: Final = 10_000_000
"""Buckets that one answer may read: nineteen signals over fifteen years of quarter hours."""
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


@dataclass(frozen=True)
class _Asked:
    """One query, checked: `streams[k]` are the streams that hold signal k."""

    station: str
    signals: tuple[SignalRef, ...]
    streams: tuple[dict[Stream, Layout], ...]
    start_ms: int
    end_ms: int
    resolution: Resolution
    timezone: str
    notes: tuple[Note, ...]


@dataclass
class _Answer:
    """What has been read so far."""

    series: dict[SignalRef, Series]
    tiers: set[Tier]
    damaged: list[str]


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
        self._opened = Opened(half)
        self._horizons = Horizons(pool)

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
        asked = await self._ask(
            *(station, signals, (start_ms, end_ms)),
            resolution=resolution,
            per_series=per_series,
            timezone=timezone,
        )
        require_fits(asked.resolution, asked.end_ms - asked.start_ms, len(signals), limit)
        return await self._answer(asked)

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
        asked = await self._ask(
            *(station, signals, (start_ms, end_ms)),
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
            yield await self._answer(replace(asked, start_ms=at_ms, end_ms=until_ms))
            at_ms = until_ms

    async def cells_at(self, station: str, device: str, at_ms: int | None = None) -> CellsAt:
        """Return the newest cell values of a rack at or before `at_ms` (None: newest).

        Where samples of that time are no longer kept, the means of its quarter hour.

        Raises:
            NotFound: the station has no such rack, or no cell values that old.
            DamagedHistory: the stored values of that time cannot be opened.
        """
        return await cells_at(self._pool, self._reader, station, device, at_ms)

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

    async def _ask(
        self,
        station: str,
        signals: Sequence[SignalRef],
        span: tuple[int, int],
        *,
        resolution: Resolution,
        per_series: int,
        timezone: str,
    ) -> _Asked:
        start_ms, end_ms = checked_range(*span)
        zone(timezone)
        found = [await self._find(station, ref) for ref in signals]
        wished = chosen = choose(resolution, end_ms - start_ms, per_series)
        if resolution is Resolution.AUTO:
            chosen = await self._horizons.finest(station, found, (start_ms, end_ms), chosen)
        told = notes(await self._horizons.of(station), wished, chosen, found, start_ms)
        return _Asked(
            *(station, tuple(signals), tuple(found), start_ms, end_ms, chosen, timezone, told)
        )

    async def _answer(self, asked: _Asked) -> QueryResult:
        answer = _Answer({}, set(), [])
        pairs = list(zip(asked.signals, asked.streams, strict=True))
        if asked.resolution is Resolution.RAW:
            await self._raw(asked, pairs, answer)
        else:
            scalar = [(ref, streams) for ref, streams in pairs if ref.index is None]
            cells = [(ref, streams) for ref, streams in pairs if ref.index is not None]
            await self._rolled_up(asked, scalar, answer)
            await self._cells(asked, cells, answer)
        return QueryResult(
            asked.station,
            asked.start_ms,
            asked.end_ms,
            asked.resolution,
            tuple(answer.series[ref] for ref in asked.signals),
            tuple(tier for tier in Tier if tier in answer.tiers),
            asked.timezone,
            tuple(answer.damaged),
            asked.notes,
        )

    async def _find(self, station: str, ref: SignalRef) -> dict[Stream, Layout]:
        streams = await self._reader.streams(station, ref.device)
        if not streams:
            raise NotFound(f"station {station!r} has no data of a device {ref.device!r}")
        found = {s: layout for s, layout in streams.items() if ref.signal in layout}
        if not found:
            has = sorted({c.signal.name for layout in streams.values() for c in layout.columns})
            raise NotFound(f"{ref.device!r} has no signal {ref.signal!r}; it has {', '.join(has)}")
        for layout in found.values():
            start, stop = layout.offset(ref.signal)
            if stop - start > 1 and ref.index is None:
                raise BadQuery(f"{ref}: say which, {ref}:1 to {ref}:{stop - start}")
            if ref.index is not None and ref.index > stop - start:
                raise BadQuery(f"{ref}: the index ends at {stop - start}")
        return found

    async def _raw(
        self,
        asked: _Asked,
        pairs: Sequence[tuple[SignalRef, dict[Stream, Layout]]],
        answer: _Answer,
    ) -> None:
        """Read samples; buckets of minutes are made of them for signals without such rollups."""
        wanted: dict[Stream, list[str]] = {}
        for ref, streams in pairs:
            for stream in streams:
                names = wanted.setdefault(stream, [])
                if ref.signal not in names:
                    names.append(ref.signal)
        found = await self._reader.read(
            asked.station,
            wanted,
            asked.start_ms,
            asked.end_ms,
            most_bytes=self._limits.read_bytes,
        )
        answer.damaged += found.damaged
        answer.tiers.add(Tier.RAW)
        answer.series |= await asyncio.to_thread(_series_of, asked, pairs, found)

    async def _rolled_up(
        self,
        asked: _Asked,
        pairs: Sequence[tuple[SignalRef, dict[Stream, Layout]]],
        answer: _Answer,
    ) -> None:
        if not pairs:
            return
        tier = MINUTES if asked.resolution is Resolution.MINUTE else QUARTERS
        answer.tiers.add(Tier.MINUTE if tier is MINUTES else Tier.QUARTER)
        starts = _bucket_starts(asked)
        if len(starts) < 2:  # noqa: PLR2004 - no bucket begins in the range
            empty = np.zeros(0, dtype=np.int64)
            for ref, streams in pairs:
                signal = next(iter(streams.values())).signal(ref.signal)
                answer.series[ref] = of_buckets(ref, signal, empty, Buckets.empty(0, 1))
            return
        span = int(starts[0]), int(starts[-1])
        n = (span[1] - span[0]) // tier.tier_ms
        if n * len(pairs) > _MOST_BUCKETS:
            raise BadQuery(
                f"{n * len(pairs):,} buckets of {tier.tier_ms // 60_000} min would have to be "
                f"read, allowed are {_MOST_BUCKETS:,}: ask for fewer signals or a shorter range"
            )
        keys = await self._reader.keys(asked.station)
        for ref, streams in pairs:
            whole = Buckets.empty(n, 1)
            for (device, _), layout in streams.items():
                part = await read_signals(
                    *(self._pool, keys, (asked.station, device, layout), [ref.signal]),
                    tier=tier,
                    span=span,
                    opened=self._opened,
                )
                answer.damaged += part.damaged
                # Layouts may scale a signal differently.
                found = scaled(part.buckets[ref.signal], layout.signal(ref.signal).scale)
                whole = united(whole, found) if whole.count.any() else found
            if asked.resolution not in (Resolution.MINUTE, Resolution.QUARTER):
                whole = regrouped(whole, tier.tier_ms, span[0], starts)
            signal = next(iter(streams.values())).signal(ref.signal)
            answer.series[ref] = of_buckets(ref, signal, starts[:-1], whole)

    async def _cells(
        self,
        asked: _Asked,
        pairs: Sequence[tuple[SignalRef, dict[Stream, Layout]]],
        answer: _Answer,
    ) -> None:
        if not pairs:
            return
        if asked.resolution is Resolution.MINUTE:
            await self._raw(asked, pairs, answer)
            return
        if asked.resolution is not Resolution.QUARTER:
            raise BadQuery(
                f"{pairs[0][0]}: cells are kept as samples and by quarter hours; ask for "
                "resolution=raw, 1min or 15min"
            )
        answer.tiers.add(Tier.QUARTER)
        keys = await self._reader.keys(asked.station)
        span = asked.start_ms, asked.end_ms
        for ref, streams in pairs:
            days: list[dict[str, Frame]] = []
            for (device, _), layout in streams.items():
                source = (asked.station, device, layout)
                found = await read_cells(self._pool, keys, source, [ref.signal], span)
                days += found.days
                answer.damaged += found.damaged
            unit = next(iter(streams.values())).signal(ref.signal).unit
            answer.series[ref] = of_cell_days(ref, unit, days, span)


def _bucket_starts(asked: _Asked) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Starts of the buckets that begin in the range, and the end of the last one."""
    if asked.resolution in (Resolution.MINUTE, Resolution.QUARTER):
        step = STEP_MS[asked.resolution]
        first = asked.start_ms + -asked.start_ms % step
        last = asked.end_ms + -asked.end_ms % step
        return np.arange(first, last + 1, step, dtype=np.int64)
    return calendar(asked.resolution, asked.start_ms, asked.end_ms, zone(asked.timezone))


def _series_of(
    asked: _Asked, pairs: Sequence[tuple[SignalRef, dict[Stream, Layout]]], found: Found
) -> dict[SignalRef, Series]:
    series = {}
    for ref, streams in pairs:
        whole = join(
            [
                track_of(f, ref.signal, (ref.index or 1) - 1, asked.start_ms, asked.end_ms)
                for stream in streams
                for f in found.by_stream.get(stream, ())
            ]
        )
        unit = next(iter(streams.values())).signal(ref.signal).unit
        if asked.resolution is Resolution.RAW:
            series[ref] = Series(ref, unit, whole.times_ms, whole.values, whole.quality)
        else:
            series[ref] = of_track(ref, unit, whole, MINUTE_MS)
    return series
