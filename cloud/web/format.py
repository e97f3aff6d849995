"""Numbers and times as people read them; the same rules as `static/js/format.js`.

Minus is U+2212, thousands have a comma in both languages, no value is an en dash, and the number of
digits follows the kind of quantity, never the size of the value: only estimated sums of money below
a hundred show their cents, and bids of a minute their fractions of a MWh. Identifiers keep
together: the hyphen inside them is U+2011 on screen.
"""

import datetime as dt
import math
import re
from zoneinfo import ZoneInfo

MINUS = "\N{MINUS SIGN}"
NO_VALUE = "\N{EN DASH}"
# Dates do not break at the line's end.
_HYPHEN = "\N{NON-BREAKING HYPHEN}"
_SMALL_MWH = 0.1
_CENTS_BELOW = 100
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_TAG = re.compile(r"(?<=[A-Z0-9])-(?=[A-Z0-9])")


def number(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """`value` with `digits` decimals; with a plus sign where it is a deviation (`signed`)."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    size = f"{abs(value):,.{digits}f}"
    if float(size.replace(",", "")) == 0:
        return size
    if value < 0:
        return MINUS + size
    return f"+{size}" if signed else size


def energy(mwh: float | None) -> str:
    """Energy in MWh; what power of a minute comes to with so many digits that it is not lost."""
    return number(mwh, 4 if mwh is not None and 0 < mwh < _SMALL_MWH else 2)


def sum_(amount: float | None) -> str:
    """An estimated sum of money: whole, below a hundred with its cents."""
    small = amount is not None and round(abs(amount), 2) < _CENTS_BELOW
    return number(amount, 2 if small else 0)


def megawatt(power_kw: float | None, *, signed: bool = False) -> str:
    """A power in MW, two decimals."""
    return number(None if power_kw is None else power_kw / 1e3, 2, signed=signed)


def megawatt_hours(energy_kwh: float | None) -> str:
    """An energy in MWh, two decimals."""
    return number(None if energy_kwh is None else energy_kwh / 1e3, 2)


def percent(share: float | None) -> str:
    """A share of one in percent, one decimal, without the sign of percent."""
    return number(None if share is None else share * 100, 1)


def span(seconds: float | None) -> str:
    """A duration in its two largest units: "4 s", "4 min 12 s", "2 h 24 min", "3 d 4 h"."""
    if seconds is None:
        return NO_VALUE
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def clock(at_ms: int | None, zone: ZoneInfo) -> str:
    """Time of day to the second in market time."""
    if at_ms is None:
        return NO_VALUE
    return dt.datetime.fromtimestamp(at_ms / 1e3, zone).strftime("%H:%M:%S")


def day(at_ms: int, zone: ZoneInfo) -> str:
    """Date in market time, year-month-day."""
    return date(dt.datetime.fromtimestamp(at_ms / 1e3, zone).strftime("%Y-%m-%d"))


def date(text: str) -> str:
    """A date "YYYY-MM-DD" that does not break at the line's end."""
    return text.replace("-", _HYPHEN)


def offset(at_ms: int, zone: ZoneInfo) -> str:
    """The zone's distance from UTC at that time: "UTC+8", "UTC−3:30"."""
    delta = dt.datetime.fromtimestamp(at_ms / 1e3, zone).utcoffset() or dt.timedelta()
    minutes = round(delta.total_seconds() / 60)
    sign = MINUS if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")


def tag(text: str) -> str:
    """A text whose identifiers do not break at the line's end."""
    return _TAG.sub(_HYPHEN, text)
