import pytest

from cloud.db import Pool
from cloud.market.desk.forecasting import Forecaster, Sources
from cloud.market.errors import BadSeries, TooLittleHistory
from cloud.market.forecasts import naive_members
from tests.cloud.market.desk.market_days import MARKET, day_of, store

SOURCES = Sources("tx.day_ahead", {"load": "tx.load_forecast"})


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


async def test_while_another_day_is_learnt_a_gate_of_minutes_has_the_last_forecast(pool: Pool):
    await store(pool, 60)
    forecaster = Forecaster(
        MARKET, SOURCES, members=naive_members(), allow_short=True, warm_up_days=14
    )
    day, known_ms = day_of(59)
    first = await forecaster.day(pool, day, known_ms)

    async with forecaster._busy:
        meanwhile = await forecaster.day(pool, day, known_ms + 3_600_000)
    later = await forecaster.day(pool, day, known_ms + 3_600_000)

    assert meanwhile is first
    assert later.known_ms == known_ms + 3_600_000
