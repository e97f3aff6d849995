"""A station with stored real-time prices, and the smallest training that is one."""

import datetime as dt
import json

import numpy as np

from cloud.db import Pool
from cloud.market.exchanges import load_market
from cloud.market.prices import ACCEPTABLE, Kind, Publication, Row, Series, import_rows
from cloud.market.retraining import Wish
from tests.cloud.market.bidding.made import made_prices
from tests.cloud.stations import create_station

MARKET = load_market("us-ercot")
FIRST = dt.date(2024, 4, 1)
BEGIN_MS = MARKET.calendar.day_bounds_ms(FIRST)[0]
HOUR_MS = 3_600_000
DAYS = 130
ROUND = 64 * 168
"""Steps between two updates of the policy: no training is shorter."""
WISH = Wish("s1", MARKET.id, "tx.real_time", unseen_weeks=4, steps=ROUND, seeds=1, allow_short=True)


def series(name: str, kind: Kind, published: str) -> Series:
    return Series(
        *(name, kind, "USD/MWh", "HUB", MARKET.calendar.zone, 60),
        publication=Publication(published),
    )


async def store(pool: Pool, days: int = DAYS, *, lost: range = range(0)) -> np.ndarray:
    """Keep made prices of both markets, hour by hour, some lost; return those of real time."""
    price, base = (np.round(one, 2) for one in made_prices(days))
    start = BEGIN_MS + HOUR_MS * np.arange(len(price))
    for one, values in (
        (series("tx.real_time", Kind.REAL_TIME, "after 15"), price),
        (series("tx.day_ahead", Kind.DAY_AHEAD, "day-1 13:30"), base),
    ):
        pairs = zip(start.tolist(), values.tolist(), strict=True)
        rows = [Row(at, value) for number, (at, value) in enumerate(pairs) if number not in lost]
        report = await import_rows(
            pool, one, rows, source="made", now_ms=after(days), accept=ACCEPTABLE
        )
        assert not report.refused, report.lines()
    return price


async def station(pool: Pool, name: str = "s1") -> None:
    """A station of 1 MW and 2 MWh."""
    await create_station(pool, name)
    async with pool.connection() as conn:
        await conn.execute(
            "UPDATE stations SET rated_power_kw = 1000, capacity_kwh = 2000, config = config || %s"
            " WHERE id = %s",
            (json.dumps({"soc_min": 0.0, "soc_max": 1.0}), name),
        )


def after(days: int) -> int:
    """The time at which so many days of prices are known."""
    return BEGIN_MS + 24 * HOUR_MS * days + HOUR_MS
