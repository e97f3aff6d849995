"""From what is cleared to a station's power by local day: the plan that its order carries.

Energy of all products adds up; capacity that is held (reserve, regulation) moves no planned power.
An interval that nothing is cleared for stands still.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from math import gcd
from typing import Final
from zoneinfo import ZoneInfo

from cloud.market.bid import Direction
from cloud.market.bids.exchange import Cleared

_MINUTE_MS: Final = 60_000
_KW: Final = 1_000
_SIGN: Final = {Direction.DISCHARGE: 1, Direction.CHARGE: -1}
_FINEST: Final = (60, 30, 15, 5)
"""Intervals that a schedule may have, minutes."""


def days_of(begin_ms: int, end_ms: int, zone: ZoneInfo) -> tuple[dt.date, ...]:
    """Return the local days that [begin_ms, end_ms) touches."""
    first = dt.datetime.fromtimestamp(begin_ms / 1000, zone).date()
    last = dt.datetime.fromtimestamp((end_ms - 1) / 1000, zone).date()
    return tuple(first + dt.timedelta(days=d) for d in range((last - first).days + 1))


def interval_min(results: Sequence[Cleared]) -> int:
    """Return the longest interval of a schedule that every result can be written in."""
    common = gcd(*(one.interval_min for one in results)) if results else _FINEST[0]
    return next((one for one in _FINEST if common % one == 0), _FINEST[-1])


def day_powers(
    results: Sequence[Cleared], day: dt.date, zone: ZoneInfo, step_min: int
) -> tuple[float, ...]:
    """Return a local day's power in kW, discharge positive, one for each interval of `step_min`.

    A local day has as many intervals as really pass: 92, 96 or 100 quarter hours.
    """
    begin_ms = _midnight_ms(day, zone)
    step_ms = step_min * _MINUTE_MS
    count = (_midnight_ms(day + dt.timedelta(days=1), zone) - begin_ms) // step_ms
    powers = [Decimal(0)] * count
    for result in results:
        for award in result.awards:
            sign = _SIGN.get(award.direction, 0)
            first = (award.start_ms - begin_ms) // step_ms
            for index in range(first, first + max(1, result.interval_min // step_min)):
                if 0 <= index < count:
                    powers[index] += sign * award.power_mw
    return tuple(float(power * _KW) for power in powers)


def _midnight_ms(day: dt.date, zone: ZoneInfo) -> int:
    return round(dt.datetime.combine(day, dt.time(), tzinfo=zone).timestamp() * 1000)
