import dataclasses
import datetime as dt

import numpy as np
import pytest

from cloud.market.battery import Battery
from cloud.market.errors import BadSeries, TooLittleHistory
from cloud.market.prices import Row, import_rows
from cloud.market.prices.series import Kind
from cloud.market.retraining.courses import make_courses, read_stored
from tests.cloud.market.retraining.made import (
    BEGIN_MS,
    DAYS,
    FIRST,
    HOUR_MS,
    MARKET,
    WISH,
    after,
    series,
    store,
)

BATTERY = Battery(1.0, 1.0, 2.0, 0.93, 0.93, 8.0)
BOTH = dataclasses.replace(WISH, day_ahead="tx.day_ahead")


async def test_the_last_weeks_are_never_learnt_on(pool):
    price = await store(pool)

    stored = await read_stored(pool, BOTH, MARKET, after(DAYS))
    found = make_courses(stored, BOTH, MARKET, BATTERY)

    unseen_hours = 28 * 24
    assert found.unseen.price.tolist() == price[-unseen_hours:].tolist()
    assert found.learnt.price[-1] == price[-unseen_hours - 1]
    assert len(found.learnt.price) == len(price) - 35 * 24 - unseen_hours
    assert len(np.unique(found.days)) == 28
    first, unseen, last = found.span
    assert (first, last) == (FIRST + dt.timedelta(days=35), FIRST + dt.timedelta(days=DAYS - 1))
    assert (last - unseen).days == 27
    assert stored.known_minute == 13 * 60 + 30


async def test_what_became_known_later_does_not_change_a_training_that_goes_on(pool):
    await store(pool)
    before = await read_stored(pool, WISH, MARKET, after(DAYS))
    later = [Row(BEGIN_MS + 24 * HOUR_MS * DAYS + HOUR_MS * n, 50.0 + n % 7) for n in range(48)]
    revised = [Row(BEGIN_MS + HOUR_MS * 50, 99.0, after(DAYS) + 1)]
    report = await import_rows(
        *(pool, series("tx.real_time", Kind.REAL_TIME, "after 15"), [*later, *revised]),
        source="later",
        now_ms=after(DAYS + 3),
    )

    again = await read_stored(pool, WISH, MARKET, after(DAYS))
    present = await read_stored(pool, WISH, MARKET, after(DAYS + 2))

    assert report.added == 49
    assert again.prices.price.tolist() == before.prices.price.tolist()
    assert len(present.prices.price) == len(before.prices.price) + 48
    assert present.prices.price[50] == 99.0


async def test_a_day_that_is_not_over_is_left_out(pool):
    price = await store(pool)

    found = await read_stored(pool, WISH, MARKET, after(DAYS) - 5 * HOUR_MS)

    assert found.prices.price.tolist() == price[:-24].tolist()


async def test_less_than_three_years_are_refused_unless_somebody_allows_it(pool):
    await store(pool)

    with pytest.raises(TooLittleHistory, match="at least 1095"):
        await read_stored(pool, dataclasses.replace(WISH, allow_short=False), MARKET, after(DAYS))
    found = await read_stored(pool, WISH, MARKET, after(DAYS))

    assert found.notes == ("short history: 130 of 1,095 days",)


async def test_few_holes_have_the_day_before_and_many_are_refused_by_name(pool):
    price = await store(pool, lost=range(1000, 1010))

    found = await read_stored(pool, WISH, MARKET, after(DAYS))

    assert found.prices.price[1000:1010].tolist() == price[976:986].tolist()
    assert "10 steps without a price have that of the day before" in found.notes


async def test_too_many_holes_or_too_few_days_teach_nothing(pool):
    await store(pool, lost=range(1000, 1100))

    with pytest.raises(BadSeries, match=r"100 of 3,120 steps have no price, the first at 2024-05"):
        await read_stored(pool, WISH, MARKET, after(DAYS))
    few = await read_stored(pool, WISH, MARKET, after(40))
    with pytest.raises(BadSeries, match="40 whole days; 123 are the least"):
        make_courses(few, WISH, MARKET, BATTERY)


async def test_a_series_that_is_not_there_or_is_no_price_is_named(pool):
    with pytest.raises(BadSeries, match=r"there is no series 'tx\.real_time'"):
        await read_stored(pool, WISH, MARKET, after(DAYS))
    load = dataclasses.replace(series("x", Kind.REAL_TIME, "import"), id="tx.real_time")
    load = dataclasses.replace(load, kind=Kind.LOAD, unit="MW")
    await import_rows(pool, load, [Row(BEGIN_MS, 3.0)], source="made", now_ms=after(1))

    with pytest.raises(BadSeries, match="of kind load; a policy bids at a price"):
        await read_stored(pool, WISH, MARKET, after(DAYS))
