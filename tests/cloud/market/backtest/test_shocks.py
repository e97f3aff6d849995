"""Shaken prices and spoilt inputs: who forecasts and learns still bids what can be followed."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cloud.market.backtest import STRATEGIES
from cloud.market.backtest.case import Case, believe
from cloud.market.backtest.run import make_case
from cloud.market.backtest.shocks import shake, spoil

LEARNING = ("lp-lightgbm", "lp-lightgbm-day-ahead", "lp-prophet", "learnt-value")
LAST = dt.date(2024, 4, 6)
DAYS = 3
ONE_DAY = dt.timedelta(days=1)
ABSURD = 1e9


@pytest.fixture(scope="module")
def calm(asked_hourly) -> Case:
    """The last three days of the sample with all inputs as they should be."""
    first = LAST - (DAYS - 1) * ONE_DAY
    return make_case(replace(asked_hourly, train_until=first - ONE_DAY, first=first, last=LAST))


def shaken(case: Case) -> Case:
    """Prices of other sizes by up to 30 %, and what was seen of them lost, late, absurd."""
    prices = shake(case.prices, 0.3, 5)
    return replace(case, prices=prices, seen=spoil(prices, 5))


def lost(case: Case) -> Case:
    """From the first tested day on nothing more is told: neither day-ahead nor real-time prices."""
    return _instead(case, np.nan)


def absurd(case: Case) -> Case:
    """From the first tested day on all that is told is what no market ever had."""
    return _instead(case, ABSURD)


def _instead(case: Case, value: float) -> Case:
    price, ahead = case.seen.price.copy(), case.seen.day_ahead.copy()
    price[case.span] = ahead[case.span] = value
    return replace(case, seen=replace(case.seen, price=price, day_ahead=ahead))


@pytest.mark.parametrize("spoilt", [shaken, lost, absurd], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", LEARNING)
def test_no_bid_is_infeasible_whatever_happens_to_prices_and_inputs(
    calm: Case, name: str, spoilt: Callable[[Case], Case]
):
    case = spoilt(calm)

    found = STRATEGIES[name](case)

    assert found.infeasible == 0
    assert np.isfinite(found.money).all()
    assert np.isfinite(found.power_mw).all()
    energy = energies(case, found.power_mw)
    assert energy.min() >= -1e-6
    assert energy.max() <= case.battery.usable_mwh + 1e-6
    assert found.power_mw.max() <= case.battery.discharge_mw + 1e-9
    assert found.power_mw.min() >= -case.battery.charge_mw - 1e-9
    if spoilt is not shaken:
        assert believe(case).fallback[case.span].all()
        assert found.fallbacks == DAYS


def energies(case: Case, power_mw: np.ndarray) -> np.ndarray:
    """Energy above the lower end after each step, MWh, by the battery's own losses."""
    battery, hours = case.battery, case.prices.step_min / 60
    stored = -power_mw.clip(max=0) * battery.charge_efficiency
    stored = stored - power_mw.clip(min=0) / battery.discharge_efficiency
    begin = (battery.soc - battery.soc_min) * battery.energy_mwh
    return begin + np.cumsum(stored) * hours
