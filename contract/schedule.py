"""The power schedule of one local day: 96 points of 15 minutes, discharge positive.

A local day has 92, 96 or 100 quarter hours: on a day when the clocks change there are four
fewer or four more. Points are laid on elapsed time from local midnight, so the first point
after a clock change is the quarter hour that really follows.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contract.errors import ScheduleError

INTERVALS_MIN = (1, 5, 15, 30, 60)
MAX_POWER_KW = 10_000_000.0
"""No station is larger than 10 GW: a larger figure is a mistake of units."""
YEARS = range(2000, 2201)

_MINUTE_MS = 60_000
_FIELDS = ("date", "timezone", "interval_min", "power_kw", "regulation")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A day's set-points: `power_kw[i]` holds for `interval_min` from its start on."""

    date: dt.date
    timezone: str
    interval_min: int
    power_kw: tuple[float, ...]
    regulation: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse a wrong number of points and values that are no power."""
        wanted = points_of_day(self.date, self.timezone, self.interval_min)
        if len(self.power_kw) != wanted:
            msg = (
                f"schedule of {self.date} ({self.timezone}) has {len(self.power_kw)} points; "
                f"this day has {wanted} intervals of {self.interval_min} minutes"
            )
            raise ScheduleError(msg)
        for index, value in enumerate(self.power_kw):
            _require_power(index, value)

    @property
    def start_ms(self) -> int:
        """Local midnight that begins the day, in epoch milliseconds."""
        return _midnight_ms(self.date, _zone(self.timezone))

    @property
    def end_ms(self) -> int:
        """Local midnight that ends the day, in epoch milliseconds."""
        return _midnight_ms(self.date + dt.timedelta(days=1), _zone(self.timezone))

    def index_at(self, t_ms: int) -> int | None:
        """Return the point that holds at a time, or None outside the day."""
        index = (t_ms - self.start_ms) // (self.interval_min * _MINUTE_MS)
        return index if 0 <= index < len(self.power_kw) else None

    def power_at(self, t_ms: int) -> float | None:
        """Return the scheduled power in kW (discharge positive), or None outside the day."""
        index = self.index_at(t_ms)
        return None if index is None else self.power_kw[index]

    def to_payload(self) -> dict[str, Any]:
        """Return the payload of a SCHEDULE order."""
        return {
            "date": self.date.isoformat(),
            "timezone": self.timezone,
            "interval_min": self.interval_min,
            "power_kw": list(self.power_kw),
            "regulation": None if self.regulation is None else dict(self.regulation),
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read a SCHEDULE order's payload; ScheduleError names the field, index and value."""
        _require_fields(payload)
        date, timezone = payload["date"], payload["timezone"]
        interval, power = payload["interval_min"], payload["power_kw"]
        regulation = payload.get("regulation")
        if not isinstance(power, list | tuple):
            msg = f"power_kw must be a list of numbers, not {type(power).__name__}"
            raise ScheduleError(msg)
        if regulation is not None and not isinstance(regulation, Mapping):
            msg = f"regulation must be a table or null, not {type(regulation).__name__}"
            raise ScheduleError(msg)
        for index, value in enumerate(power):
            _require_power(index, value)
        return cls(_date(date), timezone, interval, tuple(float(p) for p in power), regulation)


def parse(payload: Mapping[str, Any]) -> Schedule:
    """Read and check the payload of a SCHEDULE order."""
    return Schedule.from_payload(payload)


def points_of_day(date: dt.date, timezone: str, interval_min: int = 15) -> int:
    """Return how many intervals a local day has: 96 of 15 minutes, or 92/100 at clock changes."""
    if type(interval_min) is not int or interval_min not in INTERVALS_MIN:
        msg = f"interval_min {interval_min!r} must be one of {INTERVALS_MIN}"
        raise ScheduleError(msg)
    zone = _zone(timezone)
    span = _midnight_ms(date + dt.timedelta(days=1), zone) - _midnight_ms(date, zone)
    points, rest = divmod(span, interval_min * _MINUTE_MS)
    if rest:
        msg = f"{date} in {timezone} cannot be cut into intervals of {interval_min} minutes"
        raise ScheduleError(msg)
    return points


@lru_cache(maxsize=64)
def _midnight_ms(date: dt.date, zone: ZoneInfo) -> int:
    midnight = dt.datetime.combine(date, dt.time(), tzinfo=zone)
    return round(midnight.timestamp() * 1000)


def _zone(timezone: object) -> ZoneInfo:
    if isinstance(timezone, str) and timezone:
        try:
            return ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    msg = f"timezone {timezone!r} is not in the IANA list; write e.g. 'Asia/Shanghai'"
    raise ScheduleError(msg)


def _date(text: object) -> dt.date:
    try:
        date = dt.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        date = None
    if date is None or date.isoformat() != text or date.year not in YEARS:
        msg = f"date {text!r:.40} must be YYYY-MM-DD in {YEARS.start}..{YEARS.stop - 1}"
        raise ScheduleError(msg)
    return date


def _require_power(index: int, value: object) -> None:
    if (
        (type(value) is int or type(value) is float) and abs(value) <= MAX_POWER_KW  # false for NaN
    ):
        return
    msg = (
        f"power_kw[{index}] = {value!r:.40} must be a finite number of kW within "
        f"±{MAX_POWER_KW:,.0f} (discharge positive)"
    )
    raise ScheduleError(msg)


def _require_fields(payload: object) -> None:
    if not isinstance(payload, Mapping):
        msg = f"a schedule must be a table with {_FIELDS}"
        raise ScheduleError(msg)
    missing = [f for f in _FIELDS[:-1] if f not in payload]
    extra = [f for f in payload if f not in _FIELDS]
    if missing or extra:
        msg = f"a schedule has the fields {_FIELDS}; missing {missing}, unknown {extra}"
        raise ScheduleError(msg)
