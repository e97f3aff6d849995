"""The cells of a rack at one moment: from samples where they are kept, else from quarter hours."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import numpy as np

from cloud.db.pool import Pool, connection
from cloud.errors import DamagedHistory, NotFound
from cloud.history.blocks.reading import HOUR_MS, FrameReader, Stream
from cloud.history.model import CellsAt, Tier
from cloud.history.resolution import LATEST_MS
from cloud.history.rollups.arithmetic import QUARTER_MS
from cloud.history.rollups.cells import read_cells
from contract.frame import Frame
from contract.layouts import Layout

_RECENT_MS: Final = 120_000
MEASURED: Final = "cell_voltage_v"
ESTIMATED: Final = "cell_soc"
"""Signals by which the layout of measured cells and that of estimated ones are known."""
_REACHES_MS: Final = (2 * HOUR_MS, 24 * 40 * HOUR_MS, LATEST_MS)
"""How far back the newest sample is looked for, step by step: mostly it is near."""

_HOT = """
SELECT max(least(t_last_ms, %s)) FROM hot_batches
WHERE station = %s AND t_first_ms < %s AND quarantined IS NULL
"""
_HOURS = """
SELECT DISTINCT hour_ms FROM blocks
WHERE station = %s AND hour_ms < %s AND hour_ms >= %s AND device = ANY(%s) AND layout = ANY(%b)
  AND t_first_ms < %s
ORDER BY hour_ms DESC LIMIT 2
"""

Row = tuple[int, Frame]
"""A row of a frame."""


async def cells_at(
    pool: Pool,
    reader: FrameReader,
    station: str,
    device: str,
    at_ms: int | None,
    *,
    signal: str = MEASURED,
) -> CellsAt:
    """Return the newest cell values of a rack at or before `at_ms` (None: newest).

    They are those of all signals that travel with `signal`.

    Raises:
        NotFound: the station has no such rack, or no cell values that old.
        DamagedHistory: the stored values of that time cannot be opened.
    """
    streams = await reader.streams(station, device)
    racks = {s: layout for s, layout in streams.items() if signal in layout}
    if not racks:
        raise NotFound(f"station {station!r} has no cells of a device {device!r}")
    end_ms = LATEST_MS if at_ms is None else min(at_ms + 1, LATEST_MS)
    newest, tier = await _newest(pool, reader, station, racks, end_ms), Tier.RAW
    if at_ms is not None and (newest is None or _time(newest) < at_ms - HOUR_MS):
        mean = await _quarter_hour(pool, reader, station, racks, at_ms)
        if mean is not None:
            newest, tier = mean, Tier.QUARTER
    if newest is None:
        raise NotFound(f"no cells of {device!r} are stored at or before {end_ms - 1}")
    return _cells(station, device, newest, tier)


async def newest_cells(pool: Pool, reader: FrameReader, station: str, signal: str) -> list[CellsAt]:
    """Return the newest cell values of every rack that has sent any lately, in one reading.

    They are those of all signals that travel with `signal`. A rack that has sent nothing in the
    minutes (or, once compacted, the hour) in which the station's newest are is left out.

    Raises:
        DamagedHistory: the stored values of that time cannot be opened.
    """
    streams = {s: one for s, one in (await reader.streams(station)).items() if signal in one}
    async for start_ms in _places_to_look(pool, station, streams, LATEST_MS):
        found = await reader.read(station, dict.fromkeys(streams), start_ms, start_ms + HOUR_MS)
        if found.damaged:
            raise DamagedHistory(found.damaged)
        newest: dict[str, Row] = {}
        for frame in found.frames:
            inside = np.flatnonzero(frame.present)
            row = (int(inside[-1]), frame) if len(inside) else None
            if row and (frame.device not in newest or _time(row) > _time(newest[frame.device])):
                newest[frame.device] = row
        if newest:
            return [_cells(station, device, row) for device, row in sorted(newest.items())]
    return []


def _cells(station: str, device: str, found: Row, tier: Tier = Tier.RAW) -> CellsAt:
    row, frame = found
    names = [column.signal.name for column in frame.layout.columns]
    values = {name: frame.physical(name)[row] for name in names}
    return CellsAt(station, device, _time(found), values, tier)


def _time(found: Row) -> int:
    row, frame = found
    return int(frame.times_ms[row])


async def _newest(
    pool: Pool, reader: FrameReader, station: str, racks: Mapping[Stream, Layout], end_ms: int
) -> Row | None:
    async for start_ms in _places_to_look(pool, station, racks, end_ms):
        until = min(end_ms, start_ms + HOUR_MS)
        found = await reader.read(station, dict.fromkeys(racks), start_ms, until)
        if found.damaged:
            raise DamagedHistory(found.damaged)
        rows: list[Row] = []
        for frame in found.frames:
            inside = np.flatnonzero(frame.present & (frame.times_ms < end_ms))
            if len(inside):
                rows.append((int(inside[-1]), frame))
        if rows:
            return max(rows, key=_time)
    return None


async def _places_to_look(
    pool: Pool, station: str, racks: Mapping[Stream, Layout], end_ms: int
) -> AsyncIterator[int]:
    """Yield starts of ranges that may hold the newest sample before `end_ms`, newest first."""
    async with connection(pool) as conn:
        row = await (await conn.execute(_HOT, [end_ms, station, end_ms])).fetchone()
    if row is not None and row[0] is not None:
        yield int(row[0]) - _RECENT_MS
    devices, hashes = sorted({d for d, _ in racks}), sorted({h for _, h in racks})
    for reach_ms in _REACHES_MS:
        async with connection(pool) as conn:
            cursor = await conn.execute(
                _HOURS, [station, end_ms, end_ms - reach_ms, devices, hashes, end_ms]
            )
            hours = [int(row[0]) for row in await cursor.fetchall()]
        for hour_ms in hours:
            yield hour_ms
        if hours:
            return


async def _quarter_hour(
    pool: Pool, reader: FrameReader, station: str, racks: Mapping[Stream, Layout], at_ms: int
) -> Row | None:
    """Return the means of the quarter hour of `at_ms`, if they are kept."""
    keys = await reader.keys(station)
    quarter = at_ms - at_ms % QUARTER_MS
    for (device, _), layout in racks.items():
        names = [column.signal.name for column in layout.columns]
        source, span = (station, device, layout), (quarter, quarter + QUARTER_MS)
        found = await read_cells(pool, keys, source, names, span)
        if found.damaged:
            raise DamagedHistory(found.damaged)
        for day in found.days:
            frame = day["mean"]
            row = (quarter - frame.t0_ms) // QUARTER_MS
            if frame.present[row]:
                return row, frame
    return None
