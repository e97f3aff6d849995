"""What is cleared as the powers that a station works by, day for day in the station's own time.

Trades add up: what is sold within the day comes on top of what was sold a day ahead. Outside what
is cleared the station keeps the schedule that it has.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from cloud.market.bid import Direction
from cloud.market.errors import MarketError
from cloud.market.units import HOUR_MIN, MINUTE_MS
from contract.schedule import INTERVALS_MIN, Schedule, points_of_day

_KW_PER_MW: Final = 1_000
_SIGNS: Final = {Direction.DISCHARGE: 1, Direction.CHARGE: -1}


@dataclass(frozen=True, slots=True)
class Traded:
    """Power that was cleared from a time on; MW, discharge positive."""

    start_ms: int
    end_ms: int
    power_mw: float


def energy_trades(
    awards: Iterable[tuple[int, Direction, float]], interval_min: int
) -> tuple[Traded, ...]:
    """Return awards of energy; power held ready is no schedule and is left out.

    Args:
        awards: beginning (UTC epoch ms), direction and MW of each.
        interval_min: length of the product's intervals.
    """
    step_ms = interval_min * MINUTE_MS
    return tuple(
        Traded(start, start + step_ms, _SIGNS[direction] * power)
        for start, direction, power in awards
        if direction in _SIGNS
    )


def schedules(
    trades: Sequence[Traded],
    span_ms: tuple[int, int],
    timezone: str,
    in_force: Mapping[dt.date, Schedule],
) -> tuple[Schedule, ...]:
    """Return the schedules of the days that a span of time touches.

    Args:
        trades: all that is cleared in the span, of all products.
        span_ms: UTC epoch; inside it the station works by the trades alone.
        timezone: the station's.
        in_force: what the station works by at present, by day; a day without stands still.

    Raises:
        MarketError: trades begin at times that no schedule can follow.
    """
    zone = ZoneInfo(timezone)
    first, last = (
        dt.datetime.fromtimestamp(at / 1e3, zone).date() for at in (span_ms[0], span_ms[1] - 1)
    )
    days = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    return tuple(_day(day, trades, span_ms, timezone, in_force.get(day)) for day in days)


def _day(
    day: dt.date,
    trades: Sequence[Traded],
    span_ms: tuple[int, int],
    timezone: str,
    base: Schedule | None,
) -> Schedule:
    still = base or Schedule(
        day, timezone, HOUR_MIN, (0.0,) * points_of_day(day, timezone, HOUR_MIN)
    )
    step_min = _step(still, trades, span_ms)
    step_ms = step_min * MINUTE_MS
    powers = []
    for index in range(points_of_day(day, timezone, step_min)):
        at_ms = still.start_ms + index * step_ms
        if span_ms[0] <= at_ms < span_ms[1]:
            traded = [one.power_mw for one in trades if one.start_ms <= at_ms < one.end_ms]
            powers.append(round(_KW_PER_MW * math.fsum(traded), 3))
        else:
            powers.append(still.power_at(at_ms) or 0.0)
    return Schedule(day, timezone, step_min, tuple(powers), still.regulation)


def _step(still: Schedule, trades: Sequence[Traded], span_ms: tuple[int, int]) -> int:
    """Return the longest interval in which nothing changes within a point, minutes."""
    changes = {*span_ms, *(at for one in trades for at in (one.start_ms, one.end_ms))}
    inside = (at - still.start_ms for at in changes if still.start_ms <= at <= still.end_ms)
    common = math.gcd(still.interval_min * MINUTE_MS, *inside)
    fitting = [one for one in INTERVALS_MIN if common % (one * MINUTE_MS) == 0]
    if not fitting:
        raise MarketError(
            f"what is cleared changes {common / MINUTE_MS:g} min apart; a station follows "
            f"schedules by {INTERVALS_MIN} minutes"
        )
    return max(fitting)
