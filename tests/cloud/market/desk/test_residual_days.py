"""A bid weighed by what past forecasts have missed."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.desk.residual_days import LEAST_DAYS, residual_days, usable
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts.kept import KeptDay, quality

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MEAN = 50 + 20 * np.sin(np.arange(24) / 24 * 2 * np.pi)
BATTERY = Battery(1.0, 1.0, 2.0, 1.0, 1.0, soc=0.5)
SOLD_H = 18


def forecast(day: int) -> Forecast:
    quantiles = np.repeat(MEAN[:, None], len(LEVELS), axis=1)
    return Forecast("p", day * DAY_MS, 60, day * DAY_MS, MEAN, quantiles, "v")


def past(days: int, missed) -> list[KeptDay]:
    first = dt.date(1970, 1, 1)
    return [
        KeptDay(first + dt.timedelta(days=day), forecast(day), MEAN + missed(day), MEAN)
        for day in range(days)
    ]


def sale(day: int) -> BidSet:
    """One MWh at 18:00, whatever it brings."""
    at_ms = day * DAY_MS + SOLD_H * HOUR_MS
    offered = (BidInterval(at_ms, (Segment(Direction.DISCHARGE, Decimal(1), None),)),)
    day_of_it = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    return BidSet("s1", "m", "p", day_of_it, 60, OfferMode.SELF_SCHEDULE, offered)


def weighed(kept: list[KeptDay]):
    return residual_days(sale(60), BATTERY, forecast(60), kept, beside={}, seed=1)


def test_with_fewer_whole_days_than_the_chain_needs_nothing_is_claimed():
    kept = past(LEAST_DAYS, lambda _: np.zeros(24))
    torn = [replace(kept[0], came=np.where(np.arange(24) == 3, np.nan, MEAN)), *kept[1:]]

    assert weighed(kept[1:]) is None
    assert weighed(torn) is None
    assert weighed(kept) is not None
    assert len(usable(torn, forecast(60))) == LEAST_DAYS - 1


def test_a_forecast_that_was_made_with_its_prices_at_hand_has_taught_nothing():
    kept = past(LEAST_DAYS, lambda _: np.zeros(24))
    late = [replace(kept[0], late=True), *kept[1:]]

    assert weighed(late) is None
    assert kept[0].day not in {one.day for one in usable(late, forecast(60))}
    assert (quality(late).late, quality(late).left_out) == (1, 0)
    assert len(quality(late).days) == LEAST_DAYS - 1


def test_a_forecast_that_never_missed_leaves_one_possible_day():
    found = weighed(past(30, lambda _: np.zeros(24)))

    assert found is not None
    assert found.risk.expected == pytest.approx(MEAN[SOLD_H])
    assert found.risk.var == pytest.approx(-MEAN[SOLD_H])
    assert found.fan == pytest.approx(np.full((5, 1), MEAN[SOLD_H]))


def test_days_that_missed_by_much_are_possible_again_as_often_as_they_came():
    rng = np.random.default_rng(7)
    size = (20 + np.abs(MEAN)) * 0.2

    found = weighed(past(60, lambda _: size * rng.standard_normal()))

    assert found is not None
    assert found.days == 60
    spread = size[SOLD_H]
    assert found.risk.var == pytest.approx(-MEAN[SOLD_H] + 1.645 * spread, abs=0.6 * spread)
    assert found.risk.cvar > found.risk.var
    assert sum(found.counts) == 1_000
    assert (np.diff(found.fan[:, 0]) > 0).all()
    assert found.paths.shape == (5, 1)


def test_a_gap_between_days_teaches_no_transition():
    kept = past(60, lambda day: np.full(24, 8.0 if day % 2 else -8.0))

    found = weighed(kept[::2])

    assert found is not None
    assert found.risk.expected == pytest.approx(MEAN[SOLD_H] - 8.0, abs=2.0)


def test_a_bid_outside_the_forecast_is_not_weighed():
    kept = past(30, lambda _: np.zeros(24))

    assert residual_days(sale(61), BATTERY, forecast(60), kept, beside={}, seed=1) is None
