"""Rollups: minimum, maximum, mean, last and count of each signal in 1 and 15 minutes.

Every minute that got data is marked dirty by the ingest statement. A dirty minute is computed
again, whole, from what is stored; so late and doubled data need no special case. Quarter hours
are computed from their minutes. Cells are not rolled up one by one: their rack's extremes and
means are signals of their own.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.db.pool import Pool, connection
from cloud.history.reading import FrameReader, Track, join, present_rows
from contract.frame import Frame
from contract.layouts import Layout

_log = logging.getLogger(__name__)

MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 15 * MINUTE_MS
_LOCK: Final = 0x5354_5255
_MOST_MINUTES: Final = 120
"""Dirty minutes taken in one pass of one station."""


@dataclass(frozen=True)
class Buckets:
    """Aggregates of one signal, shape (b,) each; buckets without a good value are absent."""

    starts_ms: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    last: NDArray[np.float64]
    count: NDArray[np.int64]


def aggregate(track: Track, bucket_ms: int) -> Buckets:
    """Aggregate the good and questionable values of a time-sorted track."""
    good = np.isfinite(track.values)
    times, values = track.times_ms[good], track.values[good]
    if not len(times):
        nothing = np.zeros(0)
        count = nothing.astype(np.int64)
        return Buckets(count, nothing, nothing, nothing, nothing, count)
    bucket = times - times % bucket_ms
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    count = np.diff(np.r_[first, len(bucket)])
    return Buckets(
        bucket[first],
        np.minimum.reduceat(values, first),
        np.maximum.reduceat(values, first),
        np.add.reduceat(values, first) / count,
        values[first + count - 1],
        count,
    )


_DIRTY = """
SELECT minute_ms, mark FROM dirty WHERE station = %s ORDER BY minute_ms DESC LIMIT %s
"""
_WRITE = """
INSERT INTO rollups_1min (station, device, signal, bucket, minimum, maximum, mean, last, count)
SELECT %s, d, s, to_timestamp(b / 1000.0), lo, hi, m, l, n
FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::float8[], %b::float8[], %b::float8[],
            %b::float8[], %b::int[]) AS r(d, s, b, lo, hi, m, l, n)
ON CONFLICT (station, device, signal, bucket) DO UPDATE SET
    minimum = excluded.minimum, maximum = excluded.maximum, mean = excluded.mean,
    last = excluded.last, count = excluded.count
"""
_QUARTERS = """
INSERT INTO rollups_15min (station, device, signal, bucket, minimum, maximum, mean, last, count)
SELECT station, device, signal, date_bin('15 minutes', bucket, 'epoch') AS quarter,
       min(minimum), max(maximum), sum(mean * count) / sum(count),
       (array_agg(last ORDER BY bucket DESC))[1], sum(count)
FROM rollups_1min
WHERE station = %(station)s AND bucket >= to_timestamp(%(start_ms)s / 1000.0)
  AND bucket < to_timestamp(%(end_ms)s / 1000.0)
GROUP BY station, device, signal, quarter
ON CONFLICT (station, device, signal, bucket) DO UPDATE SET
    minimum = excluded.minimum, maximum = excluded.maximum, mean = excluded.mean,
    last = excluded.last, count = excluded.count
"""
_CLEAN = """
DELETE FROM dirty USING unnest(%s::bigint[], %s::bigint[]) AS done(minute_ms, mark)
WHERE dirty.station = %s AND dirty.minute_ms = done.minute_ms AND dirty.mark = done.mark
"""


@dataclass
class _Rows:
    devices: list[str]
    signals: list[str]
    parts: list[Buckets]


async def roll_up(pool: Pool, reader: FrameReader, station: str) -> int:
    """Compute the dirty minutes of a station again; return how many there were.

    A minute that becomes dirty again meanwhile has a newer mark and stays dirty. One process at
    a time: an older reading must not be written over a newer one.
    """
    async with connection(pool) as guard, guard.transaction():
        cursor = await guard.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, station]
        )
        mine = await cursor.fetchone()
        return await _roll_up(pool, reader, station) if mine and mine[0] else 0


async def _roll_up(pool: Pool, reader: FrameReader, station: str) -> int:
    async with connection(pool) as conn:
        cursor = await conn.execute(_DIRTY, [station, _MOST_MINUTES])
        dirty: list[tuple[int, int]] = [(m, k) for m, k in await cursor.fetchall()]
    if not dirty:
        return 0
    streams = {
        stream: layout
        for stream, layout in (await reader.streams(station)).items()
        if any(column.repeat == 1 for column in layout.columns)
    }
    for start_ms, end_ms in _runs([minute for minute, _ in dirty]):
        found = await reader.read(station, streams, start_ms, end_ms, _scalars)
        await _write(pool, station, _aggregate(found, start_ms, end_ms), start_ms, end_ms)
    async with connection(pool) as conn:
        await conn.execute(_CLEAN, [[m for m, _ in dirty], [k for _, k in dirty], station])
    return len(dirty)


def _runs(minutes: Sequence[int]) -> list[tuple[int, int]]:
    """Join neighbouring minutes to ranges [start, end)."""
    ranges: list[tuple[int, int]] = []
    for minute in sorted(minutes):
        if ranges and ranges[-1][1] == minute:
            ranges[-1] = (ranges[-1][0], minute + MINUTE_MS)
        else:
            ranges.append((minute, minute + MINUTE_MS))
    return ranges


@dataclass(frozen=True)
class _Scalars:
    """Signals with one value of one frame: values and quality of shape (n, signals)."""

    device: str
    layout: Layout
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


def _names(layout: Layout) -> list[str]:
    return [column.signal.name for column in layout.columns if column.repeat == 1]


def _scalars(frame: Frame, _repeated: int) -> _Scalars:
    rows = present_rows(frame)
    names = _names(frame.layout)
    return _Scalars(
        frame.device,
        frame.layout,
        frame.times_ms[rows],
        np.hstack([frame.physical(name)[rows] for name in names]),
        np.hstack([frame.quality_of(name)[rows] for name in names]),
    )


def _aggregate(found: Sequence[_Scalars], start_ms: int, end_ms: int) -> _Rows:
    by_stream: defaultdict[tuple[str, bytes], list[_Scalars]] = defaultdict(list)
    for one in found:
        by_stream[one.device, one.layout.hash8].append(one)
    rows = _Rows([], [], [])
    for pieces in by_stream.values():
        times = np.concatenate([one.times_ms for one in pieces])
        values = np.concatenate([one.values for one in pieces])
        quality = np.concatenate([one.quality for one in pieces])
        inside = (times >= start_ms) & (times < end_ms)
        for column, name in enumerate(_names(pieces[0].layout)):
            track = join([Track(times[inside], values[inside, column], quality[inside, column])])
            buckets = aggregate(track, MINUTE_MS)
            rows.devices.append(pieces[0].device)
            rows.signals.append(name)
            rows.parts.append(buckets)
    return rows


async def _write(pool: Pool, station: str, rows: _Rows, start_ms: int, end_ms: int) -> None:
    counts = [len(part.starts_ms) for part in rows.parts]
    if not sum(counts):
        return
    columns = [
        np.repeat(np.array(rows.devices, dtype=object), counts).tolist(),
        np.repeat(np.array(rows.signals, dtype=object), counts).tolist(),
        *(
            np.concatenate([getattr(part, name) for part in rows.parts]).tolist()
            for name in ("starts_ms", "minimum", "maximum", "mean", "last", "count")
        ),
    ]
    quarter = {
        "station": station,
        "start_ms": start_ms - start_ms % QUARTER_MS,
        "end_ms": end_ms + -end_ms % QUARTER_MS,
    }
    async with connection(pool) as conn, conn.transaction():
        await conn.execute(_WRITE, [station, *columns])
        await conn.execute(_QUARTERS, quarter)
