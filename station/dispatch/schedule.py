"""The schedules a station holds, and which one counts.

One schedule covers one local day; a later order for the same day replaces it. Days that are
over are forgotten. A schedule is refused whole, with the point that is wrong, when the
station could never follow it: beyond its rated power, for another time zone, for a day that
is over or too far ahead to be meant.
"""

import datetime as dt
from dataclasses import dataclass, field

from contract.schedule import Schedule

_MAX_AHEAD = dt.timedelta(days=14)
_KEEP_MS = 24 * 3_600_000
"""A day that is over stays a while: late meter seconds are still compared with it."""


@dataclass(frozen=True)
class ScheduledPower:
    """The power that a schedule asks for, and the order that brought it."""

    kw: float
    order_id: str


@dataclass
class ScheduleBook:
    """All schedules in force, by start of their day."""

    days: dict[int, tuple[Schedule, str]] = field(default_factory=dict)

    def put(self, schedule: Schedule, order_id: str, now_ms: int) -> None:
        """Take a schedule; forget days that were over long before `now_ms`."""
        self.days[schedule.start_ms] = (schedule, order_id)
        over = [start for start, (day, _) in self.days.items() if day.end_ms + _KEEP_MS < now_ms]
        for start in over:
            del self.days[start]

    def power_at(self, t_ms: int) -> ScheduledPower | None:
        """Return what is scheduled for a moment, None when nothing is."""
        for schedule, order_id in self.days.values():
            kw = schedule.power_at(t_ms)
            if kw is not None:
                return ScheduledPower(kw, order_id)
        return None


def why_refused(
    schedule: Schedule, *, timezone: str, rated_power_kw: float, now_ms: int
) -> str | None:
    """Return why the station cannot take a schedule, None when it can."""
    if schedule.timezone != timezone:
        return f"timezone {schedule.timezone} is not the station's {timezone}"
    if schedule.end_ms <= now_ms:
        return f"the day {schedule.date} is over"
    if schedule.start_ms - now_ms > _MAX_AHEAD.total_seconds() * 1000:
        return f"the day {schedule.date} is more than {_MAX_AHEAD.days} days ahead"
    for index, kw in enumerate(schedule.power_kw):
        if abs(kw) > rated_power_kw:
            return (
                f"power_kw[{index}] = {kw:g} kW is beyond the rated power of {rated_power_kw:g} kW"
            )
    if schedule.regulation is not None:
        return "regulation inside a schedule is not supported; it is configured at the station"
    return None
