"""The rollup job: what is dirty is computed again, whole, from what is stored.

Every minute that got data is marked dirty by the ingest statement. A dirty minute is rolled up
from the stored samples, and its quarter hour from its minutes, so late, doubled and overlapping
data need no special case: the result is always that of a rebuild from scratch. Cells are rolled
up by quarter hours only (`cell_rollups`), once the quarter is over.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from cloud.db.pool import Pool, connection
from cloud.errors import DamagedHistory, KeyStoreError
from cloud.history.blocks.reading import Found, FrameReader, Stream
from cloud.history.rollups import sql_rows
from cloud.history.rollups.arithmetic import (
    MINUTE_MS,
    QUARTER_MS,
    Buckets,
    aggregate,
    coarser,
    overlay,
    scalars,
)
from cloud.history.rollups.store import (
    HOUR_MS,
    MINUTES,
    QUARTERS,
    Span,
    SpanPlace,
    Tier,
    lay,
    open_span,
    read_spans,
    seal,
    write_spans,
)
from cloud.vault.vault import StationKeys
from contract.errors import ContractError
from contract.layouts import Layout

_log = logging.getLogger(__name__)

LOCK: Final = 0x5354_5255
_MOST_MINUTES: Final = 240
"""Dirty minutes taken in one pass of one station."""

_PER_QUARTER: Final = QUARTER_MS // MINUTE_MS

_DIRTY = """
SELECT minute_ms, mark FROM dirty
WHERE station = %s AND (retry_after IS NULL OR retry_after < now()) AND NOT EXISTS (
    SELECT FROM dropped_blocks d WHERE d.station = dirty.station AND d.archived AND NOT d.cells
      AND d.month_ms <= minute_ms AND d.end_ms > minute_ms)
ORDER BY minute_ms DESC LIMIT %s
"""
_DROPPED = """
SELECT layout, month_ms, end_ms FROM dropped_blocks WHERE station = %s AND NOT archived
"""
_CLEAN = """
DELETE FROM dirty USING unnest(%s::bigint[], %s::bigint[]) AS done(minute_ms, mark)
WHERE dirty.station = %s AND dirty.minute_ms = done.minute_ms AND dirty.mark = done.mark
"""
_POSTPONE = """
UPDATE dirty SET retry_after = now() + interval '10 minutes'
WHERE station = %s AND minute_ms = ANY(%s)
"""
_MARK_QUARTERS = """
INSERT INTO dirty_quarters (station, quarter_ms, mark)
SELECT %s, quarter_ms, nextval('dirty_marks') FROM unnest(%s::bigint[]) AS quarter_ms
ON CONFLICT (station, quarter_ms) DO UPDATE SET mark = excluded.mark
"""

_MERGEABLE = """
SELECT DISTINCT start_ms - start_ms %% %(long_ms)s FROM rollup_blocks
WHERE station = %(station)s AND tier_ms = %(tier_ms)s AND span_ms = %(short_ms)s
  AND start_ms - start_ms %% %(long_ms)s + %(long_ms)s <= %(before_ms)s
"""

Released = Mapping[Stream, Sequence[str]]
"""Signals of each stream whose quarter hours are also written as SQL rows."""


async def try_lock(conn: psycopg.AsyncConnection[tuple[object, ...]], station: str) -> bool:
    """Take the station's rollup lock for the rest of the transaction, if nobody holds it.

    One process at a time: an older reading must not be written over a newer one.
    """
    cursor = await conn.execute(
        "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCK, station]
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def roll_up(pool: Pool, reader: FrameReader, station: str, released: Released) -> int:
    """Compute the dirty minutes of a station again; return how many there were.

    A minute that becomes dirty again meanwhile has a newer mark and stays dirty. Minutes whose
    stored data are damaged keep their rollups and are tried again later; those of a month whose
    samples were dropped stay dirty until retention has put it back from the archive: what came
    late is not all that there was.
    """
    async with connection(pool) as guard, guard.transaction():
        if not await try_lock(guard, station):
            return 0
        async with connection(pool) as conn:
            cursor = await conn.execute(_DIRTY, [station, _MOST_MINUTES])
            dirty: list[tuple[int, int]] = [(m, k) for m, k in await cursor.fetchall()]
            lost = await lost_samples(conn, station)
        if not dirty:
            return 0
        work = _Work(pool, reader, station, await _scalar_streams(reader, station), released)
        by_hour: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for minute, mark in dirty:
            by_hour[minute - minute % HOUR_MS].append((minute, mark))
        done = 0
        for hour_ms, marks in sorted(by_hour.items(), reverse=True):
            streams = with_samples(work.streams, lost, hour_ms)
            try:
                done += await _roll_hour(replace(work, streams=streams), hour_ms, marks)
            except (DamagedHistory, KeyStoreError, ContractError) as error:
                _log.error("hour not rolled up station=%s hour=%d %s", station, hour_ms, error)
                async with connection(pool) as conn:
                    await conn.execute(_POSTPONE, [station, [minute for minute, _ in marks]])
        return done


async def lost_samples(
    conn: psycopg.AsyncConnection[Any], station: str
) -> list[tuple[bytes, int, int]]:
    """Return layouts and ranges whose samples were dropped for good: their rollups stay."""
    cursor = await conn.execute(_DROPPED, [station], binary=True)
    return [(bytes(layout), start, end) for layout, start, end in await cursor.fetchall()]


def with_samples(
    streams: Mapping[Stream, Layout], lost: Sequence[tuple[bytes, int, int]], at_ms: int
) -> Mapping[Stream, Layout]:
    """Return the streams that can be rolled up at a time, with what `lost_samples` has found."""
    gone = {layout for layout, start_ms, end_ms in lost if start_ms <= at_ms < end_ms}
    return {stream: layout for stream, layout in streams.items() if stream[1] not in gone}


async def _scalar_streams(reader: FrameReader, station: str) -> dict[Stream, Layout]:
    streams = await reader.streams(station)
    return {stream: layout for stream, layout in streams.items() if scalars(layout)}


@dataclass(frozen=True)
class _Work:
    pool: Pool
    reader: FrameReader
    station: str
    streams: Mapping[Stream, Layout]
    released: Released


async def _roll_hour(work: _Work, hour_ms: int, marks: Sequence[tuple[int, int]]) -> int:
    """Roll up the dirty minutes of one hour and write them with all that follows from them."""
    hour = _Hour(hour_ms, sorted(minute for minute, _ in marks))
    wanted = {
        stream: [signal.name for signal in scalars(layout)]
        for stream, layout in work.streams.items()
    }
    start_ms, end_ms = hour.minutes[0], hour.minutes[-1] + MINUTE_MS
    found = await work.reader.read(work.station, wanted, start_ms, end_ms)
    if found.damaged:
        raise DamagedHistory(found.damaged)
    keys = await work.reader.keys(work.station)
    async with connection(work.pool) as conn:
        fine = await _effective(conn, work, MINUTES, hour_ms, keys)
        days = await read_spans(
            conn, work.station, QUARTERS.tier_ms, QUARTERS.short_ms, hour.day_ms
        )
    spans, rows = await asyncio.to_thread(_compute, work, found, keys, hour, (fine, days))
    quarters = sorted({minute - minute % QUARTER_MS for minute in hour.minutes})
    async with connection(work.pool) as conn, conn.transaction():
        await write_spans(conn, spans)
        await sql_rows.write(conn, work.station, rows)
        await conn.execute(_MARK_QUARTERS, [work.station, quarters])
        await conn.execute(_CLEAN, [[m for m, _ in marks], [k for _, k in marks], work.station])
    return len(marks)


async def _effective(
    conn: psycopg.AsyncConnection[tuple[object, ...]],
    work: _Work,
    tier: Tier,
    short_start_ms: int,
    keys: StationKeys,
) -> dict[Stream, tuple[Buckets, Buckets]]:
    """Return for every stream the buckets of a short span: (of the long span, of the short one)."""
    long_start = short_start_ms - short_start_ms % tier.long_ms
    short = await read_spans(conn, work.station, tier.tier_ms, tier.short_ms, short_start_ms)
    long = await read_spans(conn, work.station, tier.tier_ms, tier.long_ms, long_start)
    n, first = tier.short_ms // tier.tier_ms, (short_start_ms - long_start) // tier.tier_ms
    opened = {}
    for stream, layout in work.streams.items():
        below, above = (Buckets.empty(n, len(scalars(layout))) for _ in range(2))
        if stream in long:
            below = open_span(long[stream], layout, keys).rows(slice(first, first + n))
        if stream in short:
            above = open_span(short[stream], layout, keys)
        opened[stream] = (below, above)
    return opened


@dataclass(frozen=True)
class _Hour:
    """The dirty minutes of one hour, and the day it lies in (all epoch ms)."""

    hour_ms: int
    minutes: Sequence[int]

    @property
    def day_ms(self) -> int:
        return self.hour_ms - self.hour_ms % QUARTERS.short_ms

    @property
    def minute_rows(self) -> NDArray[np.int64]:
        """Which minutes of the hour are dirty."""
        return (np.array(self.minutes) - self.hour_ms) // MINUTE_MS

    @property
    def quarter_rows(self) -> NDArray[np.int64]:
        """Which quarters of the hour have dirty minutes."""
        return np.unique((np.array(self.minutes) - self.hour_ms) // QUARTER_MS)


def _compute(
    work: _Work,
    found: Found,
    keys: StationKeys,
    hour: _Hour,
    stored: tuple[Mapping[Stream, tuple[Buckets, Buckets]], Mapping[Stream, Span]],
) -> tuple[list[Span], list[sql_rows.Row]]:
    """Return the spans to write and the SQL rows; `stored` are minutes and days as they are."""
    fine, days = stored
    spans: list[Span] = []
    rows: list[sql_rows.Row] = []
    for stream, layout in work.streams.items():
        frames = found.by_stream.get(stream)
        if not frames:
            continue
        below, above = fine[stream]
        fresh = aggregate(frames, layout, hour.hour_ms, hour.hour_ms + HOUR_MS, MINUTE_MS)
        if not fresh.count[hour.minute_rows].any():
            continue
        _replace_rows(above, fresh, hour.minute_rows)
        whole = overlay(below, above)
        coarse = coarser(whole, MINUTE_MS, np.arange(0, len(whole.count), _PER_QUARTER))
        n = QUARTERS.short_ms // QUARTER_MS
        empty = Buckets.empty(n, len(scalars(layout)))
        day = open_span(days[stream], layout, keys) if stream in days else empty
        for index in hour.quarter_rows:
            at = (hour.hour_ms - hour.day_ms) // QUARTER_MS + int(index)
            lay(day, coarse.rows(slice(index, index + 1)), at)
        minutes = SpanPlace(work.station, *stream, MINUTE_MS, HOUR_MS, hour.hour_ms)
        quarters = SpanPlace(work.station, *stream, QUARTER_MS, QUARTERS.short_ms, hour.day_ms)
        spans.append(seal(minutes, layout, above, keys))
        spans.append(seal(quarters, layout, day, keys))
        released = work.released.get(stream, ())
        chosen = (hour.hour_ms, hour.quarter_rows)
        rows += sql_rows.of(stream[0], layout, released, coarse, chosen)
    return spans, rows


def _replace_rows(target: Buckets, fresh: Buckets, rows: NDArray[np.int64]) -> None:
    """Put recomputed buckets in the place of older ones, also where they have become empty."""
    for name, column in vars(target).items():
        column[rows] = getattr(fresh, name)[rows]


async def merge_spans(pool: Pool, reader: FrameReader, station: str, before_ms: int) -> int:
    """Merge short spans of past long ones into them; return how many were merged."""
    work = _Work(pool, reader, station, await _scalar_streams(reader, station), {})
    merged = 0
    for tier in (MINUTES, QUARTERS):
        async with connection(pool) as conn:
            cursor = await conn.execute(
                _MERGEABLE,
                {
                    "station": station,
                    "tier_ms": tier.tier_ms,
                    "short_ms": tier.short_ms,
                    "long_ms": tier.long_ms,
                    "before_ms": before_ms,
                },
            )
            starts = sorted(row[0] for row in await cursor.fetchall())
        for long_start in starts:
            merged += await _merge_long(work, tier, long_start)
    return merged


async def _merge_long(work: _Work, tier: Tier, long_start: int) -> int:
    station, keys = work.station, await work.reader.keys(work.station)
    async with connection(work.pool) as conn, conn.transaction():
        if not await try_lock(conn, station):
            return 0
        whole = await read_spans(conn, station, tier.tier_ms, tier.long_ms, long_start)
        parts: defaultdict[Stream, list[Span]] = defaultdict(list)
        for start_ms in range(long_start, long_start + tier.long_ms, tier.short_ms):
            found = await read_spans(conn, station, tier.tier_ms, tier.short_ms, start_ms)
            for stream, span in found.items():
                parts[stream].append(span)

        def merge_all() -> list[Span]:
            return [
                _merge_parts(work, keys, tier, whole.get(stream), (stream, long_start, short))
                for stream, short in parts.items()
            ]

        await write_spans(conn, await asyncio.to_thread(merge_all))
        await conn.execute(
            "DELETE FROM rollup_blocks WHERE station = %s AND tier_ms = %s AND span_ms = %s"
            " AND start_ms >= %s AND start_ms < %s",
            [station, tier.tier_ms, tier.short_ms, long_start, long_start + tier.long_ms],
        )
    return sum(map(len, parts.values()))


def _merge_parts(
    work: _Work,
    keys: StationKeys,
    tier: Tier,
    whole: Span | None,
    of: tuple[Stream, int, Sequence[Span]],
) -> Span:
    stream, long_start, short = of
    layout = work.streams[stream]
    n = tier.long_ms // tier.tier_ms
    empty = Buckets.empty(n, len(scalars(layout)))
    merged = empty if whole is None else open_span(whole, layout, keys)
    for span in short:
        first = (span.place.start_ms - long_start) // tier.tier_ms
        lay(merged, open_span(span, layout, keys), first)
    place = SpanPlace(work.station, *stream, tier.tier_ms, tier.long_ms, long_start)
    return seal(place, layout, merged, keys)
