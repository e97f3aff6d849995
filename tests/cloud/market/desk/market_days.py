"""The sample market in the store, moved to days of the test exchange."""

import datetime as dt

import numpy as np

from cloud.db import Pool
from cloud.market.exchanges import load_market
from cloud.market.prices import ACCEPTABLE, Kind, Publication, Row, Series, import_rows
from tests.cloud.market.forecasts.sample import part

MARKET = load_market("test-exchange")
FIRST = dt.date(2023, 1, 2)
HOUR_MS = 3_600_000


def series(name: str, kind: Kind, unit: str, *, forecast: bool) -> Series:
    return Series(
        *(name, kind, unit, "TX", "Asia/Shanghai", 60),
        forecast=forecast,
        publication=Publication("day-1 12:45"),
    )


async def store(pool: Pool, days: int) -> np.ndarray:
    """Keep a stretch of the sample market, moved to the days of the test exchange.

    The price ends a day before what is forecast beside it. Returns the prices by day.
    """
    sample = part(0, days)
    start = MARKET.calendar.day_bounds_ms(FIRST)[0] + HOUR_MS * np.arange(24 * days)
    price = series("tx.day_ahead", Kind.DAY_AHEAD, "EUR/MWh", forecast=False)
    load = series("tx.load_forecast", Kind.LOAD, "MW", forecast=True)
    for one, values in (
        (price, sample.price[:-24]),
        (load, sample.exogenous["load_forecast_mw"]),
    ):
        pairs = zip(start.tolist(), values.tolist(), strict=False)
        rows = [Row(begin, value) for begin, value in pairs]
        report = await import_rows(
            *(pool, one, rows),
            source="sample",
            now_ms=int(start[-1]) + HOUR_MS,
            accept=ACCEPTABLE,
        )
        assert not report.refused
    return sample.price.reshape(days, 24)


def day_of(number: int) -> tuple[dt.date, int]:
    """Return a day by its number, and the afternoon before it."""
    day = FIRST + dt.timedelta(days=number)
    return day, MARKET.calendar.day_bounds_ms(day)[0] - 11 * HOUR_MS
