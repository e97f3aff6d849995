"""Delivery days, their intervals and gate closures, in the market's own time.

A delivery day runs from `day_start` of local time to the same time of the next day. On the days
when clocks change it has 23 or 25 hours, and its intervals are counted in real time.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cloud.market.units import MINUTE_MS

_MIDNIGHT = dt.time(0)


@dataclass(frozen=True, slots=True)
class DayGate:
    """Bids of a whole delivery day are due at one local time, some days before it."""

    days_before: int
    at: dt.time


@dataclass(frozen=True, slots=True)
class IntervalGate:
    """Bids of an interval are due so many minutes before it begins.

    Attributes:
        minutes_before: the interval, or the stretch that it lies in.
        together_min: intervals of one stretch of so many minutes, counted from the beginning of
            the delivery day, are due together, as the quarter-hours of an hour; 0: each alone.
    """

    minutes_before: int
    together_min: int = 0


Gate = DayGate | IntervalGate


@dataclass(frozen=True, slots=True)
class Calendar:
    """A market's clock.

    Attributes:
        zone: IANA name, as "Europe/Brussels".
        day_start: local time at which a delivery day begins.
    """

    zone: str
    day_start: dt.time = _MIDNIGHT

    def at_ms(self, day: dt.date, at: dt.time) -> int:
        """Return when a local clock first shows a time, UTC epoch ms.

        A time that is shown twice means the first; a time that a clock change skips means the
        moment of the change. Either is the earlier of what could be meant: a bid that keeps it
        is in time.
        """
        zone = ZoneInfo(self.zone)
        local = dt.datetime.combine(day, at, tzinfo=zone)
        utc = local.astimezone(dt.UTC)
        if utc.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            utc = _change(utc - dt.timedelta(days=1), utc, zone)
        return round(utc.timestamp() * 1000)

    def day_bounds_ms(self, day: dt.date) -> tuple[int, int]:
        """Return the beginning and the end of a delivery day, UTC epoch ms."""
        following = day + dt.timedelta(days=1)
        return self.at_ms(day, self.day_start), self.at_ms(following, self.day_start)

    def intervals_ms(self, day: dt.date, interval_min: int) -> tuple[int, ...]:
        """Return the beginnings of a delivery day's intervals: 92, 96 or 100 quarter-hours."""
        return tuple(range(*self.day_bounds_ms(day), interval_min * MINUTE_MS))

    def day_of(self, moment_ms: int) -> dt.date:
        """Return the delivery day that a moment belongs to."""
        local = dt.datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(self.zone)).date()
        begin, end = self.day_bounds_ms(local)
        if moment_ms < begin:
            return local - dt.timedelta(days=1)
        return local if moment_ms < end else local + dt.timedelta(days=1)

    def closure_ms(self, gate: Gate, start_ms: int) -> int:
        """Return when bids of the interval that begins at `start_ms` are due, UTC epoch ms."""
        match gate:
            case DayGate(days_before, at):
                return self.at_ms(self.day_of(start_ms) - dt.timedelta(days=days_before), at)
            case IntervalGate(minutes_before, together_min):
                first_ms = start_ms
                if together_min:
                    begin_ms = self.day_bounds_ms(self.day_of(start_ms))[0]
                    first_ms -= (start_ms - begin_ms) % (together_min * MINUTE_MS)
                return first_ms - minutes_before * MINUTE_MS

    def local(self, moment_ms: int) -> dt.datetime:
        """Return a moment in local time, aware of its zone."""
        return dt.datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(self.zone))


def _change(before: dt.datetime, after: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return the first moment between two (UTC) at which the zone's later offset holds."""
    late = after.astimezone(zone).utcoffset()
    while after - before > dt.timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == late:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)
