"""How far back each fineness reaches: what retention has dropped cannot be asked for."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Final

from cloud.db.pool import Pool, connection
from cloud.history.archive import table as archive_table
from cloud.history.archive.table import Horizon
from cloud.history.blocks.reading import HOUR_MS, Stream
from cloud.history.model import Note, Resolution
from contract.layouts import Layout

_FRESH_S: Final = 60.0
"""Retention runs once an hour."""
_HOURS: Final = """
SELECT count(DISTINCT hour_ms) FROM blocks
WHERE station = %s AND device = %s AND layout = %b AND hour_ms > %s AND hour_ms < %s
"""
_NAMES: Final = {Resolution.RAW: "samples", Resolution.MINUTE: "1 min rollups"}

Streams = Sequence[Mapping[Stream, Layout]]
"""The streams of each asked signal."""


class Horizons:
    """Horizons of all stations, for one process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[float, Horizon]] = {}

    async def of(self, station: str) -> Horizon:
        """Return before which times samples and rollups of a station are gone."""
        at, known = self._known.get(station, (0.0, Horizon()))
        if not at or time.monotonic() > at + _FRESH_S:
            async with connection(self._pool) as conn:
                known = await archive_table.horizon(conn, station)
            self._known[station] = time.monotonic(), known
        return known

    async def finest(
        self, station: str, streams: Streams, span: tuple[int, int], chosen: Resolution
    ) -> Resolution:
        """Return `chosen`, or the next coarser resolution that is kept over the whole range."""
        horizon = await self.of(station)
        if chosen is Resolution.RAW and gone_before(horizon, chosen, streams) > span[0]:
            if await self._around_events(station, streams, span):
                return chosen
            chosen = Resolution.MINUTE
        if chosen is Resolution.MINUTE and gone_before(horizon, chosen, streams) > span[0]:
            chosen = Resolution.QUARTER
        return chosen

    async def _around_events(self, station: str, streams: Streams, span: tuple[int, int]) -> bool:
        """Whether every hour of the range has samples of every stream after all."""
        start_ms, end_ms = span
        hours = -(-end_ms // HOUR_MS) - start_ms // HOUR_MS
        async with connection(self._pool) as conn:
            for device, layout in {stream for one in streams for stream in one}:
                asked = [station, device, layout, start_ms - HOUR_MS, end_ms]
                row = await (await conn.execute(_HOURS, asked)).fetchone()
                if row is None or row[0] < hours:
                    return False
        return True


def gone_before(horizon: Horizon, resolution: Resolution, streams: Streams) -> int:
    """Return the time before which something of the streams is gone at a resolution; 0: nothing.

    Cells have no 1 min rollups: these are made of samples.
    """
    latest = 0
    for stream, layout in {s: one for each in streams for s, one in each.items()}.items():
        scalar = any(column.repeat == 1 for column in layout.columns)
        by_minute = horizon.minutes if scalar else horizon.raw
        gone = {Resolution.RAW: horizon.raw, Resolution.MINUTE: by_minute}
        latest = max(latest, gone.get(resolution, horizon.quarters).get(stream[1], 0))
    return latest


def notes(
    horizon: Horizon, wished: Resolution, chosen: Resolution, streams: Streams, start_ms: int
) -> tuple[Note, ...]:
    """Say what of a range is no longer kept at the resolution that answers.

    And, where that is coarser than the `wished` one for this reason, what of that.
    """
    told = []
    for resolution in dict.fromkeys((wished, chosen)):
        before_ms = gone_before(horizon, resolution, streams)
        if before_ms > start_ms:
            told.append(_gone(resolution, before_ms, None if resolution is chosen else chosen))
    return tuple(told)


def _gone(resolution: Resolution, before_ms: int, instead: Resolution | None) -> Note:
    before = f"{dt.datetime.fromtimestamp(before_ms / 1000, dt.UTC):%Y-%m-%d %H:%M} UTC"
    around = " (those around severe events are)" if resolution is Resolution.RAW else ""
    remedy = (
        "ask for a coarser resolution, or have the month put back from the archive (history "
        "restore-archive)"
        if instead is None
        else f"{_name(instead)} answer instead"
    )
    text = f"{_name(resolution)} before {before} are no longer kept{around}: {remedy}"
    return Note("gone", resolution, before_ms, instead, text)


def _name(resolution: Resolution) -> str:
    return _NAMES.get(resolution, "15 min rollups")
