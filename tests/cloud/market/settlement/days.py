"""Days that tests settle: mostly nothing happens, and a few intervals do."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from cloud.market.award import Award
from cloud.market.bid import Direction
from cloud.market.exchanges import Market
from cloud.market.settlement import Reading

DAY = dt.date(2026, 3, 10)


def at(market: Market, clock: str, day: dt.date = DAY) -> int:
    """Return UTC epoch ms of a local time of the day."""
    return market.calendar.at_ms(day, dt.time.fromisoformat(clock))


def readings(
    market: Market, minutes: int, told: Mapping[str, str], day: dt.date = DAY
) -> tuple[Reading, ...]:
    """Return a day's readings: nothing but what is told by local time."""
    energies = {at(market, clock, day): Decimal(mwh) for clock, mwh in told.items()}
    starts = market.calendar.intervals_ms(day, minutes)
    assert set(energies) <= set(starts)
    return tuple(Reading(start, minutes, energies.get(start, Decimal(0))) for start in starts)


def award(  # noqa: PLR0917 - reads as a row of a table
    market: Market, product: str, clock: str, direction: Direction, mw: str, price: str
) -> Award:
    """Return an award of one interval of a product."""
    rules = market.product(product)
    return Award(
        product, at(market, clock), rules.interval_min, direction, Decimal(mw), Decimal(price)
    )


def prices(market: Market, told: Mapping[str, str]) -> dict[int, Decimal]:
    """Return prices by local time."""
    return {at(market, clock): Decimal(price) for clock, price in told.items()}


def amounts(statement) -> dict[tuple[str, str, str], Decimal]:
    """Return amounts by item, detail and local time "HH:MM" of the statement's market."""
    from cloud.market.exchanges import load_market

    calendar = load_market(statement.market).calendar
    return {
        (one.item.value, one.detail, calendar.local(one.start_ms).strftime("%H:%M")): one.amount
        for one in statement.lines
    }
