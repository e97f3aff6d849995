from dataclasses import replace

import numpy as np
import pytest

from cloud.market.bidding import perfect_foresight, plan_day
from cloud.market.bidding.run_kernels import run_schedule
from cloud.market.bidding.value import physics
from cloud.market.errors import BadSeries
from tests.cloud.market.bidding.made import BATTERY, made_prices


def _followed(power, price, hours, battery=BATTERY):
    money, energy, given = (np.empty(len(price)) for _ in range(3))
    missed = run_schedule(power, price, 0.0, hours, physics(battery), money, energy, given)
    return missed, money, energy


def test_the_battery_can_follow_what_perfect_foresight_wants_and_earns_what_it_says():
    price, _ = made_prices(60)

    most, power = perfect_foresight(price, BATTERY, 60)

    missed, money, energy = _followed(power, price, 1.0)
    assert missed == 0
    assert money.sum() == pytest.approx(most)
    assert energy.min() >= 0.0
    assert energy.max() <= BATTERY.usable_mwh


def test_dynamic_programming_and_linear_programming_find_the_same_money():
    price, _ = made_prices(30, steps_a_day=96)

    most, _ = perfect_foresight(price, BATTERY, 15)
    power, _ = plan_day(price, len(price), BATTERY, 15, soc=0.0)

    _, money, _ = _followed(power, price, 0.25)
    assert 0.99 * most <= money.sum() <= most + 1e-6


def test_a_battery_that_is_not_paid_enough_for_its_wear_rests():
    most, power = perfect_foresight(np.full(48, 30.0), BATTERY, 60)

    assert most == pytest.approx(0.0)
    assert np.abs(power).max() == pytest.approx(0.0)


def test_negative_prices_do_not_let_it_charge_and_discharge_at_once():
    price = np.full(24, -50.0)
    price[10] = 300.0

    battery = replace(BATTERY, wear_per_mwh=0.0)

    most, power = perfect_foresight(price, battery, 60)

    missed, money, _ = _followed(power, price, 1.0, battery)
    assert missed == 0
    assert money.sum() == pytest.approx(most)


def test_prices_with_gaps_are_refused():
    with pytest.raises(BadSeries, match="gaps"):
        perfect_foresight(np.array([1.0, np.nan]), BATTERY, 60)
