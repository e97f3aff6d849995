import datetime as dt

import numpy as np
import pytest

from cloud.db import Pool
from cloud.market.desk import Forecaster, Sources
from cloud.market.errors import BadSeries, TooLittleHistory
from cloud.market.exchanges import load_market
from cloud.market.forecasts import naive_members
from cloud.market.prices import ACCEPTABLE, Kind, Publication, Row, Series, import_rows
from tests.cloud.market.forecasts.sample import part

MARKET = load_market("test-exchange")
FIRST = dt.date(2023, 1, 2)
HOUR_MS = 3_600_000
SOURCES = Sources("tx.day_ahead", {"load": "tx.load_forecast"})


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


async def test_a_day_is_forecast_from_the_store_as_it_was_known_then(pool: Pool):
    came = await store(pool, 1_130)
    forecaster = Forecaster(MARKET, SOURCES, members=naive_members(), warm_up_days=14)
    day, known_ms = day_of(1_129)

    tomorrow = await forecaster.day(pool, day, known_ms)
    past = await forecaster.day(pool, *day_of(1_120))

    assert tomorrow.start_ms == MARKET.calendar.day_bounds_ms(day)[0]
    assert tomorrow.known_ms == known_ms
    assert (tomorrow.members["naive.day"] == came[1_128]).all()
    assert (past.members["naive.day"] == came[1_119]).all()
    assert sum(tomorrow.weights.values()) == pytest.approx(1.0)


async def test_less_than_three_years_are_refused_unless_a_person_allows_it(pool: Pool):
    await store(pool, 200)
    asked = day_of(199)

    with pytest.raises(TooLittleHistory, match="at least 1095"):
        await Forecaster(MARKET, SOURCES, members=naive_members()).day(pool, *asked)
    allowed = Forecaster(
        MARKET, SOURCES, members=naive_members(), allow_short=True, warm_up_days=14
    )

    assert any("short history" in flag for flag in (await allowed.day(pool, *asked)).flags)


async def test_a_series_that_is_not_there_or_empty_is_named(pool: Pool):
    with pytest.raises(BadSeries, match=r"tx\.day_ahead"):
        await Forecaster(MARKET, SOURCES).day(pool, *day_of(5))
    await store(pool, 30)
    with pytest.raises(BadSeries, match="holds nothing yet"):
        await Forecaster(MARKET, SOURCES).day(pool, *day_of(-5))
