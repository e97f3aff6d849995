"""How a checked question is answered: from samples, rollups, or the quarter hours of cells."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.db.pool import Pool
from cloud.errors import BadQuery
from cloud.history.asked import Asked, Streams
from cloud.history.blocks.reading import Found, FrameReader, Stream, join, track_of
from cloud.history.model import QueryResult, Resolution, Series, SignalRef, Tier
from cloud.history.resolution import STEP_MS, calendar, zone
from cloud.history.rollups.arithmetic import MINUTE_MS, Buckets, scaled, united
from cloud.history.rollups.cells import read_cells
from cloud.history.rollups.store import MINUTES, QUARTERS, Opened, read_signals
from cloud.history.series import of_buckets, of_cell_days, of_track, regrouped
from contract.frame import Frame

_MOST_BUCKETS: Final = 10_000_000
"""Buckets that one answer may read: nineteen signals over fifteen years of quarter hours."""

_Pair = tuple[SignalRef, Streams]


@dataclass
class _Read:
    """What has been read so far."""

    series: dict[SignalRef, Series]
    tiers: set[Tier]
    damaged: list[str]


class Answers:
    """Answers questions from what is stored.

    Args:
        pool: of the database.
        reader: reads samples.
        opened: rollups that were opened lately.
        read_bytes: stored bytes that one answer may read.
    """

    def __init__(self, pool: Pool, reader: FrameReader, opened: Opened, read_bytes: int) -> None:
        self._pool = pool
        self._reader = reader
        self._opened = opened
        self._read_bytes = read_bytes

    async def answer(self, asked: Asked) -> QueryResult:
        """Return the series of a question.

        Raises:
            BadQuery: cells by the hour or coarser, or too many buckets.
            TooMuchWork: more would have to be read than allowed.
        """
        read = _Read({}, set(), [])
        pairs = list(zip(asked.signals, asked.streams, strict=True))
        if asked.resolution is Resolution.RAW:
            await self._raw(asked, pairs, read)
        else:
            scalar = [(ref, streams) for ref, streams in pairs if ref.index is None]
            cells = [(ref, streams) for ref, streams in pairs if ref.index is not None]
            await self._rolled_up(asked, scalar, read)
            await self._cells(asked, cells, read)
        return QueryResult(
            asked.station,
            asked.start_ms,
            asked.end_ms,
            asked.resolution,
            tuple(read.series[ref] for ref in asked.signals),
            tuple(tier for tier in Tier if tier in read.tiers),
            asked.timezone,
            tuple(read.damaged),
            asked.notes,
        )

    async def _raw(self, asked: Asked, pairs: Sequence[_Pair], read: _Read) -> None:
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
            most_bytes=self._read_bytes,
        )
        read.damaged += found.damaged
        read.tiers.add(Tier.RAW)
        read.series |= await asyncio.to_thread(_series_of, asked, pairs, found)

    async def _rolled_up(self, asked: Asked, pairs: Sequence[_Pair], read: _Read) -> None:
        if not pairs:
            return
        tier = MINUTES if asked.resolution is Resolution.MINUTE else QUARTERS
        read.tiers.add(Tier.MINUTE if tier is MINUTES else Tier.QUARTER)
        starts = _bucket_starts(asked)
        if len(starts) < 2:  # noqa: PLR2004 - no bucket begins in the range
            empty = np.zeros(0, dtype=np.int64)
            for ref, streams in pairs:
                signal = next(iter(streams.values())).signal(ref.signal)
                read.series[ref] = of_buckets(ref, signal, empty, Buckets.empty(0, 1))
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
                read.damaged += part.damaged
                # Layouts may scale a signal differently.
                found = scaled(part.buckets[ref.signal], layout.signal(ref.signal).scale)
                whole = united(whole, found) if whole.count.any() else found
            if asked.resolution not in (Resolution.MINUTE, Resolution.QUARTER):
                whole = regrouped(whole, tier.tier_ms, span[0], starts)
            signal = next(iter(streams.values())).signal(ref.signal)
            read.series[ref] = of_buckets(ref, signal, starts[:-1], whole)

    async def _cells(self, asked: Asked, pairs: Sequence[_Pair], read: _Read) -> None:
        if not pairs:
            return
        if asked.resolution is Resolution.MINUTE:
            await self._raw(asked, pairs, read)
            return
        if asked.resolution is not Resolution.QUARTER:
            raise BadQuery(
                f"{pairs[0][0]}: cells are kept as samples and by quarter hours; ask for "
                "resolution=raw, 1min or 15min"
            )
        read.tiers.add(Tier.QUARTER)
        keys = await self._reader.keys(asked.station)
        span = asked.start_ms, asked.end_ms
        for ref, streams in pairs:
            days: list[dict[str, Frame]] = []
            for (device, _), layout in streams.items():
                source = (asked.station, device, layout)
                found = await read_cells(self._pool, keys, source, [ref.signal], span)
                days += found.days
                read.damaged += found.damaged
            unit = next(iter(streams.values())).signal(ref.signal).unit
            read.series[ref] = of_cell_days(ref, unit, days, span)


def _bucket_starts(asked: Asked) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Starts of the buckets that begin in the range, and the end of the last one."""
    if asked.resolution in (Resolution.MINUTE, Resolution.QUARTER):
        step = STEP_MS[asked.resolution]
        first = asked.start_ms + -asked.start_ms % step
        last = asked.end_ms + -asked.end_ms % step
        return np.arange(first, last + 1, step, dtype=np.int64)
    return calendar(asked.resolution, asked.start_ms, asked.end_ms, zone(asked.timezone))


def _series_of(asked: Asked, pairs: Sequence[_Pair], found: Found) -> dict[SignalRef, Series]:
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
