"""Rollups of cells: mean, minimum and maximum of every cell in each quarter hour.

A rack's cells move together, so a day of quarter hours is kept as three frames of the rack's own
cell layout: the frame codec knows how to make cells small. Means are rounded to the quantum of
the measurement. They are computed when the quarter is over, and again when late data arrive.
"""

import asyncio
import logging
import struct
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from cloud.db.pool import Pool, connection
from cloud.errors import DamagedHistory, KeyStoreError
from cloud.history.blocks.reading import FrameReader, Stream
from cloud.history.rollups.arithmetic import QUARTER_MS
from cloud.history.rollups.job import lost_samples, try_lock, with_samples
from cloud.history.rollups.store import DAY_MS
from cloud.vault.vault import StationKeys
from contract import layouts as known_layouts
from contract.errors import ContractError
from contract.frame import Frame, Quality, decode_batch, encode_batch
from contract.layouts import Layout

_log = logging.getLogger(__name__)

STATISTICS: Final = ("mean", "minimum", "maximum")
_MOST_QUARTERS: Final = 32
_ROWS: Final = DAY_MS // QUARTER_MS
_LEVEL: Final = 6

_DUE = """
SELECT quarter_ms, mark FROM dirty_quarters
WHERE station = %s AND quarter_ms + %s <= %s
  AND (retry_after IS NULL OR retry_after < now()) AND NOT EXISTS (
    SELECT FROM dropped_blocks d
    WHERE d.station = dirty_quarters.station AND d.archived AND d.cells
      AND d.month_ms <= quarter_ms AND d.end_ms > quarter_ms)
ORDER BY quarter_ms DESC LIMIT %s
"""
_POSTPONE = """
UPDATE dirty_quarters SET retry_after = now() + interval '10 minutes'
WHERE station = %s AND quarter_ms = ANY(%s)
"""
_CLEAN = """
DELETE FROM dirty_quarters USING unnest(%s::bigint[], %s::bigint[]) AS done(quarter_ms, mark)
WHERE dirty_quarters.station = %s AND dirty_quarters.quarter_ms = done.quarter_ms
  AND dirty_quarters.mark = done.mark
"""
_READ = """
SELECT day_ms, body FROM cell_rollups
WHERE station = %s AND device = %s AND layout = %b AND day_ms > %s AND day_ms < %s
ORDER BY day_ms
"""
_WRITE = """
INSERT INTO cell_rollups (station, device, layout, day_ms, body) VALUES (%s, %s, %b, %s, %b)
ON CONFLICT (station, device, layout, day_ms)
DO UPDATE SET body = excluded.body, written_at = now()
"""


@dataclass(frozen=True)
class CellDay:
    """Primary key of a day of quarter hours of one rack."""

    station: str
    device: str
    layout: bytes
    day_ms: int

    def associated(self) -> bytes:
        """Bytes that are authenticated with the body."""
        names = [b"", b"cells", self.station.encode(), self.device.encode(), self.layout]
        return b"\0".join([*names, struct.pack(">q", self.day_ms)])

    def __str__(self) -> str:
        return f"quarter hours of the cells of {self.station}/{self.device}, day {self.day_ms}"


def has_cells(layout: Layout) -> bool:
    """Whether a layout has signals with several values a sample."""
    return any(column.repeat > 1 for column in layout.columns)


async def roll_up_cells(pool: Pool, reader: FrameReader, station: str, before_ms: int) -> int:
    """Compute the dirty quarter hours of cells that ended by `before_ms`; return how many.

    Those of a month whose samples were dropped wait, as in `rollups.roll_up`.
    """
    async with connection(pool) as guard, guard.transaction():
        if not await try_lock(guard, station):
            return 0
        cursor = await guard.execute(_DUE, [station, QUARTER_MS, before_ms, _MOST_QUARTERS])
        due: list[tuple[int, int]] = [(q, k) for q, k in await cursor.fetchall()]
        if not due:
            return 0
        lost = await lost_samples(guard, station)
        streams = {
            stream: layout
            for stream, layout in (await reader.streams(station)).items()
            if has_cells(layout)
        }
        by_day: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for quarter, mark in due:
            by_day[quarter - quarter % DAY_MS].append((quarter, mark))
        for day_ms, marks in by_day.items():
            here, quarters = with_samples(streams, lost, day_ms), [q for q, _ in marks]
            try:
                days = await _day(pool, reader, station, here, (day_ms, quarters))
            except (DamagedHistory, KeyStoreError, ContractError) as error:
                _log.error("cells not rolled up station=%s day=%d %s", station, day_ms, error)
                async with connection(pool) as conn:
                    await conn.execute(_POSTPONE, [station, quarters])
                continue
            async with connection(pool) as conn, conn.transaction():
                for place, body in days:
                    key = [place.station, place.device, place.layout, place.day_ms]
                    await conn.execute(_WRITE, [*key, body])
                await conn.execute(_CLEAN, [quarters, [k for _, k in marks], station])
    return len(due)


async def _day(
    pool: Pool,
    reader: FrameReader,
    station: str,
    streams: Mapping[Stream, Layout],
    due: tuple[int, Sequence[int]],
) -> list[tuple[CellDay, bytes]]:
    """Return the rewritten rows of a day.

    Raises:
        DamagedHistory: samples of one of its due quarter hours cannot be opened.
    """
    day_ms, quarters = due
    keys = await reader.keys(station)
    days: list[tuple[CellDay, bytes]] = []
    for stream, layout in streams.items():
        place = CellDay(station, *stream, day_ms)
        found = {}
        for quarter in quarters:
            read = await reader.read(station, {stream: None}, quarter, quarter + QUARTER_MS)
            if read.damaged:
                raise DamagedHistory(read.damaged)
            if read.frames:
                found[quarter] = await asyncio.to_thread(summarise, read.frames, layout, quarter)
        if not found:
            continue
        async with connection(pool) as conn:
            stored = await _stored(conn, place, day_ms - 1, day_ms + 1)
        body = await asyncio.to_thread(_rewritten, place, layout, keys, stored, found)
        days.append((place, body))
    return days


@dataclass(frozen=True)
class Summary:
    """One quarter hour of all cells: raw numbers of each column, shape (3, repeat) a column.

    Rows in the order of `STATISTICS`; `quality` has shape (width,): MISSING without a value.
    """

    values: tuple[NDArray[Any], ...]
    quality: NDArray[np.uint8]


def summarise(frames: Sequence[Frame], layout: Layout, quarter_ms: int) -> Summary:
    """Mean, minimum and maximum of the usable samples of each cell in one quarter hour."""
    pieces = [p for f in frames if (p := f.between(quarter_ms, quarter_ms + QUARTER_MS))]
    if not pieces:
        return _no_summary(layout)
    values, quality = [], []
    for index, dtype in enumerate(layout.dtypes):
        name = layout.columns[index].signal.name
        raw = np.vstack([p.raw(name) for p in pieces])
        usable = np.vstack([p.quality_of(name) for p in pieces]) < Quality.INVALID
        count = usable.sum(axis=0)
        mean = np.where(usable, raw, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        top, bottom = _extremes(dtype)
        least = np.where(usable, raw, top).min(axis=0)
        most = np.where(usable, raw, bottom).max(axis=0)
        rows = np.stack([mean if dtype.kind == "f" else np.rint(mean), least, most])
        values.append(np.where(count > 0, rows, 0).astype(dtype))
        quality.append(np.where(count > 0, Quality.GOOD, Quality.MISSING).astype(np.uint8))
    return Summary(tuple(values), np.concatenate(quality))


def _no_summary(layout: Layout) -> Summary:
    values = tuple(
        np.zeros((len(STATISTICS), column.repeat), dtype)
        for column, dtype in zip(layout.columns, layout.dtypes, strict=True)
    )
    return Summary(values, np.full(layout.width, Quality.MISSING, dtype=np.uint8))


def _extremes(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if dtype.kind == "f":
        return np.inf, -np.inf
    info = np.iinfo(dtype)
    return info.max, info.min


async def _stored(
    conn: psycopg.AsyncConnection[Any], place: CellDay, after_ms: int, before_ms: int
) -> list[tuple[int, bytes]]:
    key = [place.station, place.device, place.layout]
    cursor = await conn.execute(_READ, [*key, after_ms, before_ms], binary=True)
    return [(int(day), bytes(body)) for day, body in await cursor.fetchall()]


def _rewritten(
    place: CellDay,
    layout: Layout,
    keys: StationKeys,
    stored: Sequence[tuple[int, bytes]],
    found: Mapping[int, Summary],
) -> bytes:
    """Put the summaries of some quarters into the day's frames."""
    before = _opened(keys.open(place, stored[0][1])) if stored else None
    frames = []
    for row, name in enumerate(STATISTICS):
        if before is None:
            values = [
                np.zeros((_ROWS, c.repeat), d)
                for c, d in zip(layout.columns, layout.dtypes, strict=True)
            ]
            quality = np.full((_ROWS, layout.width), Quality.MISSING, dtype=np.uint8)
        else:
            values = [v.copy() for v in before[name].values]
            quality = before[name].quality.copy()
        for quarter, summary in found.items():
            at = (quarter - place.day_ms) // QUARTER_MS
            quality[at] = summary.quality
            for target, source in zip(values, summary.values, strict=True):
                target[at] = source[row]
        frames.append(Frame(name, layout, place.day_ms, QUARTER_MS, tuple(values), quality))
    return keys.seal(place, encode_batch(frames, _LEVEL))


def _opened(
    plain: bytes, select: Callable[[str, Layout], Collection[str] | None] | None = None
) -> dict[str, Frame]:
    return {f.device: f for f in decode_batch(plain, known_layouts.by_hash, select)}


@dataclass(frozen=True)
class CellDays:
    """Frames of whole days by statistic, oldest first, and the places that are damaged."""

    days: list[dict[str, Frame]]
    damaged: list[str]


async def read_cells(
    pool: Pool,
    keys: StationKeys,
    source: tuple[str, str, Layout],
    names: Collection[str],
    span: tuple[int, int],
) -> CellDays:
    """Read the quarter hours of a rack's cells over [start, end), day by day.

    Args:
        pool: where they are.
        keys: what opens them.
        source: station, device and layout.
        names: signals wanted.
        span: start and end in epoch ms.
    """
    station, device, layout = source
    place = CellDay(station, device, layout.hash8, 0)
    async with connection(pool) as conn:
        rows = await _stored(conn, place, span[0] - DAY_MS, span[1])

    def unseal() -> CellDays:
        days, damaged = [], []
        for day_ms, body in rows:
            at = replace(place, day_ms=day_ms)
            try:
                days.append(_opened(keys.open(at, body), lambda _device, _layout: names))
            except (KeyStoreError, ContractError):
                damaged.append(str(at))
        return CellDays(days, damaged)

    return await asyncio.to_thread(unseal)
