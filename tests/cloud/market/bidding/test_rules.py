import numpy as np
import pytest

from cloud.market.bidding import Thresholds, plan_day, tune_thresholds
from tests.cloud.market.bidding.made import BATTERY, made_minutes


def test_the_valley_rule_charges_only_from_23_to_7_and_sells_above_its_price():
    minutes = made_minutes(24)
    rule = Thresholds(np.inf, 40.0, valley_only=True)

    asked = rule.asked_mw(np.where(minutes == 19 * 60, 50.0, 30.0), minutes, BATTERY)

    hours = minutes // 60
    assert set(hours[asked < 0]) == {23, 0, 1, 2, 3, 4, 5, 6}
    assert set(hours[asked > 0]) == {19}


def test_thresholds_are_those_that_earned_most():
    price = np.tile([10.0, 10.0, 10.0, 50.0, 50.0, 50.0], 40)

    rule = tune_thresholds(price, made_minutes(len(price)), BATTERY, 60)

    asked = rule.asked_mw(price[:6], made_minutes(6), BATTERY)
    assert rule.low > 10.0 or (asked[:3] < 0).any()
    assert (asked[3:] > 0).all()


def test_a_plan_buys_low_sells_high_and_says_what_is_left():
    forecast = np.array([10.0, 10.0, 80.0, 80.0])

    power, soc = plan_day(np.concatenate([forecast, forecast]), 4, BATTERY, 60, soc=0.0)

    assert (power[:2] < 0).all()
    assert (power[2:] > 0).all()
    assert soc == pytest.approx(0.0, abs=0.1)
