"""The benchmark of the market desk on small cases: what it times is done, and done rightly."""

from decimal import Decimal

import numpy as np

from bench._market_day import DAY, STATION, bid_set, made_prices, ready, rebid
from bench._market_strategies import simulate
from cloud.market.backtest.checked import problems
from cloud.market.bidding import Bands


def test_so_many_strategies_are_simulated_as_are_counted():
    price, base = made_prices(days=30)

    assert simulate(price, base, 2000) == 2000
    assert np.isfinite(price).all()


def test_a_timed_day_is_a_full_set_of_curves_that_can_be_followed():
    desk = ready(days=45)

    values, day = bid_set(desk, Decimal("0.01"))
    again = rebid((values, day), Decimal("0.01"))

    bands = Bands(10, Decimal(-100), Decimal(2000), Decimal("0.01"), Decimal("0.01"))
    assert len(day.intervals) == DAY
    assert len(again.intervals) == DAY - 10
    for one, soc in zip(day.intervals, day.soc, strict=True):
        assert problems(one.segments, bands, STATION, float(soc), 0.25) == []
        assert all(segment.why for segment in one.segments)
    assert any(one.segments for one in day.intervals)
