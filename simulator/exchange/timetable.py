"""When the exchange's days and intervals begin, and when bids are due."""

import datetime as dt
from zoneinfo import ZoneInfo

from simulator.exchange.config import MarketConfig, ProductConfig

MIN_MS = 60_000


def moment_ms(zone: str, day: dt.date, at: dt.time) -> int:
    """Return a wall clock's first showing of a time as UTC epoch ms.

    In the hour that is skipped in spring, every time means the moment of the change: the wall
    clock is read minute by minute until it is past what is sought.
    """
    where = ZoneInfo(zone)
    sought = dt.datetime.combine(day, at)
    offset = sought.replace(tzinfo=where, fold=0).utcoffset() or dt.timedelta(0)
    utc = (sought - offset).replace(tzinfo=dt.UTC)
    if utc.astimezone(where).replace(tzinfo=None) != sought:
        utc -= dt.timedelta(hours=3)
        while utc.astimezone(where).replace(tzinfo=None) < sought:
            utc += dt.timedelta(minutes=1)
    return int(utc.timestamp()) * 1000


def day_ms(market: MarketConfig, day: dt.date) -> tuple[int, int]:
    """Return beginning and end of a delivery day."""
    tomorrow = day + dt.timedelta(days=1)
    return (
        moment_ms(market.zone, day, market.day_start),
        moment_ms(market.zone, tomorrow, market.day_start),
    )


def day_of(market: MarketConfig, start_ms: int) -> dt.date:
    """Return the delivery day of an interval."""
    day = dt.datetime.fromtimestamp(start_ms / 1000, ZoneInfo(market.zone)).date()
    return day if day_ms(market, day)[0] <= start_ms else day - dt.timedelta(days=1)


def due_ms(market: MarketConfig, product: ProductConfig, start_ms: int) -> int:
    """Return when bids of an interval are due."""
    if product.due_minutes_before is not None:
        first_ms = start_ms
        if product.due_together_min:
            begin_ms = day_ms(market, day_of(market, start_ms))[0]
            first_ms -= (start_ms - begin_ms) % (product.due_together_min * MIN_MS)
        return first_ms - product.due_minutes_before * MIN_MS
    before = dt.timedelta(days=product.due_days_before or 0)
    return moment_ms(market.zone, day_of(market, start_ms) - before, product.due_at or dt.time(0))


def shown(at_ms: int) -> str:
    """Return a moment as 2026-03-10T11:00:00Z."""
    return dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
