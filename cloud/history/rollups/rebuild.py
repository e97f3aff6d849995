"""Rollups from scratch: computed window by window from the stored samples alone.

The same arithmetic as the rollup job, without its bookkeeping. It fills the rollups of back-filled
years at once, and it is what the check compares every stored rollup with.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from cloud.db.pool import Pool, connection
from cloud.errors import ArchiveError, DamagedHistory
from cloud.history.blocks.reading import Found, FrameReader, Stream
from cloud.history.rollups.arithmetic import (
    MINUTE_MS,
    QUARTER_MS,
    Buckets,
    aggregate,
    coarser,
    scalars,
)
from cloud.history.rollups.store import (
    DAY_MS,
    MINUTES,
    QUARTERS,
    Span,
    SpanPlace,
    Tier,
    lay,
    read_signals,
    seal,
    write_spans,
)
from contract.layouts import Layout

_PER_QUARTER = QUARTER_MS // MINUTE_MS


@dataclass(frozen=True)
class Day:
    """Rollups of one stream on one day (UTC): 1,440 minutes and 96 quarter hours."""

    minutes: Buckets
    quarters: Buckets


async def compute_day(
    reader: FrameReader, station: str, streams: Mapping[Stream, Layout], day_ms: int
) -> tuple[dict[Stream, Day], list[str]]:
    """Roll up one day of several streams; also return which stored parts are damaged."""
    wanted = {
        stream: [signal.name for signal in scalars(layout)] for stream, layout in streams.items()
    }
    found = await reader.read(station, wanted, day_ms, day_ms + DAY_MS)
    return await asyncio.to_thread(_compute, found, streams, day_ms), found.damaged


def _compute(found: Found, streams: Mapping[Stream, Layout], day_ms: int) -> dict[Stream, Day]:
    days = {}
    first = np.arange(0, DAY_MS // MINUTE_MS, _PER_QUARTER)
    for stream, layout in streams.items():
        frames = found.by_stream.get(stream, [])
        minutes = aggregate(frames, layout, day_ms, day_ms + DAY_MS, MINUTE_MS)
        if minutes.count.any():
            days[stream] = Day(minutes, coarser(minutes, MINUTE_MS, first))
    return days


async def rebuild(pool: Pool, reader: FrameReader, station: str, start_ms: int, end_ms: int) -> int:
    """Compute all rollups of scalar signals of the days in [start, end) and write them.

    Long spans are written whole, so the range is widened to full 30-day windows; short spans in
    it are removed. Returns the number of spans written.

    Raises:
        ArchiveError: samples of the range were dropped, so their rollups cannot be computed again.
        DamagedHistory: samples of the range cannot be opened; earlier windows are written.
    """
    await _require_samples(pool, station, [*windows(start_ms, end_ms)])
    streams = await reader.streams(station)
    streams = {s: layout for s, layout in streams.items() if scalars(layout)}
    keys = await reader.keys(station)
    written = 0
    for window_ms in windows(start_ms, end_ms):
        months = {
            stream: Buckets.empty(QUARTERS.long_ms // QUARTER_MS, len(scalars(layout)))
            for stream, layout in streams.items()
        }
        spans: list[Span] = []
        for day_ms in range(window_ms, window_ms + QUARTERS.long_ms, DAY_MS):
            days, damaged = await compute_day(reader, station, streams, day_ms)
            if damaged:
                raise DamagedHistory(damaged)
            for stream, day in days.items():
                lay(months[stream], day.quarters, (day_ms - window_ms) // QUARTER_MS)
                place = SpanPlace(station, *stream, MINUTE_MS, MINUTES.long_ms, day_ms)
                spans.append(seal(place, streams[stream], day.minutes, keys))
        for stream, quarters in months.items():
            if quarters.count.any():
                place = SpanPlace(station, *stream, QUARTER_MS, QUARTERS.long_ms, window_ms)
                spans.append(seal(place, streams[stream], quarters, keys))
        await _write(pool, station, window_ms, spans)
        written += len(spans)
    return written


async def _require_samples(pool: Pool, station: str, starts_ms: Sequence[int]) -> None:
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "SELECT FROM dropped_blocks"
            " WHERE station = %s AND month_ms < %s AND end_ms > %s LIMIT 1",
            [station, max(starts_ms) + QUARTERS.long_ms, min(starts_ms)],
        )
        if await cursor.fetchone() is not None:
            raise ArchiveError(
                f"rollups of {station} in this range cannot be rebuilt: samples of it were "
                "dropped; put the months back first (history restore-archive)"
            )


async def _write(pool: Pool, station: str, window_ms: int, spans: list[Span]) -> None:
    async with connection(pool) as conn, conn.transaction():
        for tier in (MINUTES, QUARTERS):
            await conn.execute(
                "DELETE FROM rollup_blocks WHERE station = %s AND tier_ms = %s AND span_ms = %s"
                " AND start_ms >= %s AND start_ms < %s",
                [station, tier.tier_ms, tier.short_ms, window_ms, window_ms + QUARTERS.long_ms],
            )
        await write_spans(conn, spans)


def windows(start_ms: int, end_ms: int) -> Iterator[int]:
    """Starts of the 30-day windows that touch [start, end)."""
    first = start_ms - start_ms % QUARTERS.long_ms
    yield from range(first, end_ms, QUARTERS.long_ms)


async def differences(
    pool: Pool,
    reader: FrameReader,
    station: str,
    day_ms: int,
    *,
    skip_minutes: frozenset[int],
    dropped: Collection[bytes] = (),
) -> list[str]:
    """Compare the stored rollups of one day with their rebuild; return what differs, in words.

    Args:
        pool: of the store.
        reader: of the store.
        station: its id.
        day_ms: start of the day, UTC.
        skip_minutes: minutes that are dirty, so not expected to fit yet.
        dropped: layouts whose samples of this day retention has dropped: their rollups stand alone.
    """
    streams = await reader.streams(station)
    streams = {
        stream: layout
        for stream, layout in streams.items()
        if scalars(layout) and stream[1] not in dropped
    }
    days, damaged = await compute_day(reader, station, streams, day_ms)
    if damaged:  # what differs then says nothing about the rollups
        return [f"rollups of that time cannot be compared, damaged: {name}" for name in damaged]
    found: list[str] = []
    keys = await reader.keys(station)
    skip_quarters = frozenset(m - m % QUARTER_MS for m in skip_minutes)
    for stream, layout in streams.items():
        names = [signal.name for signal in scalars(layout)]
        source = (station, stream[0], layout)
        for tier, skip in ((MINUTES, skip_minutes), (QUARTERS, skip_quarters)):
            stored = await read_signals(
                pool, keys, source, names, tier=tier, span=(day_ms, day_ms + DAY_MS)
            )
            found += stored.damaged
            expected = days.get(stream)
            whole = _of_tier(expected, tier, len(names))
            for number, name in enumerate(names):
                wrong = _differing(whole.column(number), stored.buckets[name])
                wrong -= {(at - day_ms) // tier.tier_ms for at in skip}
                if wrong:
                    first = day_ms + min(wrong) * tier.tier_ms
                    found.append(
                        f"rollups {station}/{stream[0]}:{name} tier {tier.tier_ms} ms differ from "
                        f"their rebuild in {len(wrong)} buckets, first at {first}"
                    )
    return found


def _of_tier(day: Day | None, tier: Tier, signals: int) -> Buckets:
    if day is None:
        return Buckets.empty(DAY_MS // tier.tier_ms, signals)
    return day.minutes if tier is MINUTES else day.quarters


def _differing(one: Buckets, other: Buckets) -> set[int]:
    wrong = np.zeros(len(one.count), dtype=np.bool_)
    for field in fields(Buckets):
        a, b = getattr(one, field.name), getattr(other, field.name)
        wrong |= (a != b)[:, 0]
    return {int(index) for index in np.flatnonzero(wrong)}
