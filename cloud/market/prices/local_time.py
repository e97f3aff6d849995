"""From the wall clock of a file to UTC, over days of 23 and of 25 hours.

An hour that the clock shows twice is told apart by order: the first time it stands in the file it
is summer time, the second time winter time. A time that the clock never showed is no time.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cloud.market.units import DAY_MS

Millis = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the wall clock has no zone


@dataclass(frozen=True)
class Converted:
    """Times in UTC.

    Attributes:
        utc_ms: shape (n,); meaningless where `never` is set.
        never: the clock never showed this time, shape (n,).
        twice: the clock showed it twice, shape (n,).
    """

    utc_ms: Millis
    never: Mask
    twice: Mask


def to_utc(wall_ms: Millis, zone: ZoneInfo, group: Millis | None = None) -> Converted:
    """Turn times of the wall clock into UTC.

    Args:
        wall_ms: what the clock shows, as if it were UTC, in the file's order, shape (n,).
        zone: the clock's zone.
        group: rows of one time that differ in it are not counted as the clock's second showing,
            shape (n,); e.g. the times at which values became known.
    """
    days, place = np.unique(wall_ms // DAY_MS, return_inverse=True)
    first = np.array([_offset_ms(int(day) * DAY_MS, zone) for day in days], np.int64)
    after = np.array([_offset_ms((int(day) + 1) * DAY_MS, zone) for day in days], np.int64)
    utc = wall_ms - first[place]
    never, twice = np.zeros(wall_ms.shape, np.bool_), np.zeros(wall_ms.shape, np.bool_)
    seen: dict[tuple[int, int], int] = {}
    for index in np.flatnonzero((first != after)[place]):
        wall = int(wall_ms[index])
        early, late = _offset_ms(wall, zone), _offset_ms(wall, zone, fold=1)
        never[index], twice[index] = early < late, early > late
        named = wall, 0 if group is None else int(group[index])
        seen[named] = seen.get(named, 0) + 1
        utc[index] = wall - (early if seen[named] == 1 else late)
    return Converted(utc, never, twice)


def local_days(utc_ms: Millis, zone: ZoneInfo) -> tuple[list[dt.date], Millis]:
    """Return the local days from the first to the last of some times, and each time's place there.

    The places have the shape of `utc_ms`, which is not empty.
    """
    first = dt.datetime.fromtimestamp(int(utc_ms.min()) / 1000, zone).date()
    last = dt.datetime.fromtimestamp(int(utc_ms.max()) / 1000, zone).date()
    days = [first + dt.timedelta(days=d) for d in range((last - first).days + 1)]
    begins = np.array([instant_ms(day, dt.time(), zone) for day in days], np.int64)
    return days, np.searchsorted(begins, utc_ms, side="right") - 1


def instant_ms(day: dt.date, clock: dt.time, zone: ZoneInfo) -> int:
    """Return a day's local time as UTC milliseconds."""
    return round(dt.datetime.combine(day, clock, tzinfo=zone).timestamp() * 1000)


def shown(utc_ms: int, zone: ZoneInfo) -> str:
    """Write a time as people of the market read it; the offset tells a doubled hour apart."""
    return dt.datetime.fromtimestamp(utc_ms / 1000, zone).isoformat(" ", "minutes")


def _offset_ms(wall_ms: int, zone: ZoneInfo, fold: int = 0) -> int:
    wall = (_EPOCH + dt.timedelta(milliseconds=wall_ms)).replace(tzinfo=zone, fold=fold)
    offset = wall.utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)
