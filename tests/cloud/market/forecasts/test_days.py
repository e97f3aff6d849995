import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from cloud.market.errors import BadSeries
from cloud.market.forecasts.days import day_table
from cloud.market.forecasts.history import DAY_MS, History
from tests.cloud.market.forecasts.sample import part

MIDNIGHT_BERLIN_2017_03_20 = round(dt.datetime(2017, 3, 19, 23, tzinfo=dt.UTC).timestamp() * 1000)


def hours(days: int, *, missing: int = 0) -> History:
    """Prices that tell their own hour since the beginning, in Berlin's days from 2017-03-20."""
    count = 24 * days - missing
    return History(
        MIDNIGHT_BERLIN_2017_03_20, 60, np.arange(count, dtype=float), zone="Europe/Berlin"
    )


def test_a_row_is_a_day_and_one_more_waits_to_be_forecast():
    table = day_table(part(0, 20, beside=1))

    assert table.price.shape == (21, 24)
    assert np.isnan(table.price[20]).all()
    assert np.isfinite(table.price[:20]).all()
    assert np.isfinite(table.exogenous["load_forecast_mw"][20]).all()
    assert table.dates[0] == dt.date(2014, 1, 1)
    assert table.weekday[0] == 2
    assert table.flags == ()


def test_the_day_of_23_hours_gets_its_missing_hour_from_the_neighbours():
    table = day_table(hours(14, missing=1), ahead=0)

    row = table.dates.index(dt.date(2017, 3, 26))
    assert table.starts_ms[row + 1] - table.starts_ms[row] == 23 * DAY_MS // 24
    first = 24 * row
    assert table.price[row, :4].tolist() == [first, first + 1, first + 1.5, first + 2]
    assert table.price[row + 1, 0] == first + 23
    assert len(table.columns(row)) == 23
    assert 2 not in table.columns(row)


def test_the_day_of_25_hours_has_the_mean_of_its_doubled_hour():
    start = round(dt.datetime(2017, 10, 22, 22, tzinfo=dt.UTC).timestamp() * 1000)
    history = History(start, 60, np.arange(24.0 * 10 + 1), zone="Europe/Berlin")

    table = day_table(history, ahead=0)

    row = table.dates.index(dt.date(2017, 10, 29))
    first = 24 * row
    assert table.price[row, 1:5].tolist() == [first + 1, first + 2.5, first + 4, first + 5]
    assert table.columns(row).tolist()[:5] == [0, 1, 2, 2, 3]


def test_a_gap_is_filled_from_the_week_before_and_named():
    history = part(0, 20, beside=1)
    history.price[24 * 10 + 3 : 24 * 10 + 6] = np.nan

    table = day_table(history)

    assert table.price[10, 3:6].tolist() == table.price[3, 3:6].tolist()
    assert table.flags == ("price: 3 values missing, filled from the week before",)


def test_an_absurd_price_and_a_forecast_in_the_wrong_unit_are_taken_for_missing():
    history = part(0, 60, beside=1)
    history.price[24 * 50 + 7] = 1e9
    history.exogenous["load_forecast_mw"][24 * 60 :] *= 1000

    table = day_table(history)

    assert table.price[50, 7] == table.price[43, 7]
    assert (
        table.exogenous["load_forecast_mw"][60]
        == history.exogenous["load_forecast_mw"][24 * 53 : 24 * 54]
    ).all()
    assert table.flags == (
        "price: 1 absurd values, filled from the week before",
        "load_forecast_mw: 24 absurd values, filled from the week before",
    )


def test_a_forecast_that_is_mostly_missing_is_left_out():
    history = part(0, 20, beside=1)
    history.exogenous["load_forecast_mw"][: 24 * 10] = np.nan

    table = day_table(history)

    assert list(table.exogenous) == ["renewables_forecast_mw"]
    assert "load_forecast_mw: less than 75% of its days are known: left out" in table.flags


def test_fuel_prices_are_carried_over_weekends():
    history = part(0, 20)
    gas = np.repeat(np.arange(20.0), 24)
    gas[24 * 5 : 24 * 7] = np.nan

    table = day_table(replace(history, settled={"gas": gas}))

    assert table.settled["gas"][4:8].tolist() == [4, 4, 4, 7]


def test_a_series_without_values_or_days_is_refused():
    empty = part(0, 20)
    empty.price[:] = np.nan

    with pytest.raises(BadSeries, match="price is missing or absurd throughout"):
        day_table(empty)
    with pytest.raises(BadSeries, match="no whole day"):
        day_table(replace(empty, price=empty.price[:5]))
    with pytest.raises(BadSeries, match="step of 7 minutes"):
        replace(empty, step_min=7)
