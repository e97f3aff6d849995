"""How fine an answer is: which resolution fits a range, and the calendar of its buckets.

A bucket belongs to an answer when its start does, and it is then whole: its values are those of
all its samples, also of those after the asked end.
"""

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from cloud.errors import BadQuery, TooManyPoints
from cloud.history.model import Resolution
from cloud.history.rollups.arithmetic import MINUTE_MS, QUARTER_MS

HOUR_MS: Final = 3_600_000
RAW_STEP_MS: Final = 1_000
"""The densest grid that stations send; estimates of raw answers count with it."""
AUTO_POINTS: Final = 10_000
"""Points of one series up to which AUTO prefers the finer resolution."""
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01: nothing is stored for later, and calendars of years beyond would be counted."""
STEP_MS: Final = {
    Resolution.RAW: RAW_STEP_MS,
    Resolution.MINUTE: MINUTE_MS,
    Resolution.QUARTER: QUARTER_MS,
    Resolution.HOUR: HOUR_MS,
    Resolution.DAY: 24 * HOUR_MS,
    Resolution.MONTH: 28 * 24 * HOUR_MS,
}
"""The shortest bucket of each resolution."""
_AUTO_ORDER: Final = (
    Resolution.RAW,
    Resolution.MINUTE,
    Resolution.QUARTER,
    Resolution.HOUR,
    Resolution.DAY,
)


def checked_range(start_ms: int, end_ms: int) -> tuple[int, int]:
    """Return the range cut to what can be stored.

    Raises:
        BadQuery: it is empty.
    """
    start_ms, end_ms = max(start_ms, 0), min(end_ms, LATEST_MS)
    if start_ms >= end_ms:
        raise BadQuery(f"the range [{start_ms}, {end_ms}) is empty: from must be before to")
    return start_ms, end_ms


def choose(asked: Resolution, span_ms: int, per_series: int) -> Resolution:
    """Return the asked resolution; for AUTO the finest with at most `per_series` points."""
    if asked is not Resolution.AUTO:
        return asked
    for resolution in _AUTO_ORDER:
        if span_ms / STEP_MS[resolution] <= per_series:
            return resolution
    return Resolution.MONTH


def require_fits(resolution: Resolution, span_ms: int, signals: int, limit: int) -> None:
    """Refuse an answer of more points than `limit`, and say what would fit.

    Raises:
        TooManyPoints: it could have more.
    """
    step_ms = STEP_MS[resolution]
    points = signals * -(-span_ms // step_ms)
    if points > limit:
        hours = limit * step_ms / HOUR_MS / signals
        raise TooManyPoints(
            f"{signals} signals over {span_ms / HOUR_MS:.1f} h are up to {points} points at "
            f"{resolution.value}, allowed are {limit}: ask at most {hours:.2f} h at once, fewer "
            "signals, a coarser resolution, or take the answer as a stream (format=arrow or "
            "parquet)"
        )


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        BadQuery: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadQuery(
            f"tz={name!r} is no time zone: write an IANA name such as Asia/Shanghai or UTC"
        ) from error


@lru_cache(maxsize=128)
def calendar(
    resolution: Resolution, start_ms: int, end_ms: int, place: ZoneInfo
) -> NDArray[np.int64]:
    """Starts of the hours, days or months that begin in [start, end), and the end of the last.

    Returns:
        Epoch ms, ascending, shape (buckets + 1,), read-only; one element when no bucket begins in
        the range.
    """
    starts = []
    for at_ms in _starts(resolution, start_ms, place):
        starts.append(at_ms)
        if at_ms >= end_ms:
            break
    found = np.array(starts, dtype=np.int64)
    found.setflags(write=False)
    return found


def _starts(resolution: Resolution, start_ms: int, place: ZoneInfo) -> Iterator[int]:
    """Yield the starts of buckets from the first at or after `start_ms`."""
    local = dt.datetime.fromtimestamp(start_ms / 1000, place)
    if resolution is Resolution.HOUR:
        into_ms = (local.minute * 60 + local.second) * 1000 + start_ms % 1000
        at_ms = start_ms - into_ms + (HOUR_MS if into_ms else 0)
        while True:
            yield at_ms
            at_ms += HOUR_MS
    day = local.date()
    if resolution is Resolution.MONTH:
        day = day.replace(day=1)
    while True:
        at_ms = round(dt.datetime.combine(day, dt.time(), place).timestamp() * 1000)
        if at_ms >= start_ms:
            yield at_ms
        if resolution is Resolution.MONTH:
            day = (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        else:
            day += dt.timedelta(days=1)
