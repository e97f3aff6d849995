"""Policies that decide a power, taught a little on made prices by the hour."""

from dataclasses import replace

import numpy as np
import pytest

from cloud.market.backtest.case import Case
from cloud.market.backtest.learnt import course_of
from cloud.market.backtest.prices import Prices
from cloud.market.backtest.rolling import roll_values
from cloud.market.bidding.foresight import perfect_foresight
from cloud.market.bidding.policy import load_policy
from cloud.market.bidding.policy_course import hindsight_values
from cloud.market.bidding.policy_kernels import foreseen
from cloud.market.bidding.policy_power import Rival, Told, run_power
from cloud.market.bidding.policy_training.power import LESSONS, PowerPractice, teach_rival
from cloud.market.bidding.policy_training.train import (
    Options,
    course_key,
    forget_others,
    fresh,
    practise,
)
from cloud.market.bidding.value import physics
from tests.cloud.market.bidding.made import BATTERY, made_minutes, made_prices
from tests.cloud.market.bidding.test_value import BANDS

ROUND = 64 * 168


@pytest.fixture(scope="module")
def told() -> Told:
    price, base = made_prices(100)
    day = np.arange(len(price)) // 24
    prices = Prices(0, 60, price, base, day, made_minutes(len(price)))
    case = Case(prices, prices, BATTERY, BANDS, 810, 600, 98, 65, 98, (-1000.0, 9000.0))
    return Told(course_of(case, roll_values(case, case.first, case.last), 30.0))


@pytest.mark.parametrize("rival", Rival)
def test_a_rival_is_taught_once_its_network_decides_and_its_card_lets_it_bid_nowhere(
    told, rival, tmp_path
):
    seen = told if rival is not Rival.VALUES else replace(told, thought=told.course.base)
    heard: list[tuple[int, int, int]] = []

    teach_rival(seen, rival, tmp_path, ROUND, lambda *facts: heard.append(facts))
    network = (tmp_path / "seed-0.onnx").read_bytes()
    times = len(heard)
    teach_rival(seen, rival, tmp_path, ROUND, lambda *facts: heard.append(facts))

    policy = load_policy(tmp_path)
    money, power = run_power(seen, policy.actions, 1.0)
    best, _ = perfect_foresight(seen.course.price, replace(BATTERY, soc=0.5), 60)
    assert (tmp_path / "seed-0.onnx").read_bytes() == network
    assert len(heard) == times == (LESSONS[rival].practised > 0)
    assert not policy.promoted
    assert money.sum() <= best + 1e-6
    assert np.abs(power).max() <= 1.0


def test_a_training_that_was_cut_goes_on_where_it_was(told, tmp_path):
    practice = PowerPractice(told, 64, 0, shaped=False)
    forget_others(tmp_path, course_key(told.course, Options(2 * ROUND)))
    practise(practice, 0, ROUND, tmp_path / "seed-0.zip", lambda: fresh(practice, 0))
    heard: list[tuple[int, int, int]] = []

    teach_rival(told, Rival.PLAIN, tmp_path, 2 * ROUND, lambda *facts: heard.append(facts))

    assert heard == [(0, 2 * ROUND, 2 * ROUND)]


def test_imitation_learns_when_to_charge_and_when_to_discharge(told, tmp_path):
    teach_rival(told, Rival.IMITATION, tmp_path, ROUND)

    money, _ = run_power(told, load_policy(tmp_path).actions, 0.0)

    best, _ = perfect_foresight(told.course.price, replace(BATTERY, soc=0.0), 60)
    assert 0.3 * best < money.sum() < best


def test_what_is_imitated_earns_what_perfect_foresight_earns(told):
    course, energy, earned = told.course, 0.0, 0.0
    battery, left = physics(BATTERY), hindsight_values(told.course)

    for t, price in enumerate(course.price):
        action = np.empty(1)
        here = slice(t, t + 1)
        foreseen(np.array([energy]), course.price[here], left[here], 1.0, battery, action)
        one = Told(course.cut(t, t + 1))
        money, power = run_power(one, lambda _, action=action: action[None], energy)
        earned += money.sum()
        energy += max(-power[0], 0) * 0.927 - max(power[0], 0) / 0.927
        assert power[0] == 0 or np.sign(power[0]) == np.sign(action[0]), price

    best, _ = perfect_foresight(course.price, replace(BATTERY, soc=0.0), 60)
    assert earned == pytest.approx(best, rel=0.01)


def test_unshaped_practice_pays_money_and_shaped_practice_what_was_missed(told):
    plain, shaped = (PowerPractice(told, 8, 1, shaped=one) for one in (False, True))
    plain.reset(), shaped.reset()
    rng = np.random.default_rng(1)

    for _ in range(20):
        price = told.course.price[plain._at]
        before = plain._energy.copy()
        action = rng.uniform(-1, 1, (8, 1))
        for one in (plain, shaped):
            one._done[:] = 0
            one.step_async(action)
        paid, missed = plain.step_wait()[1] * plain._unit, shaped.step_wait()[1]
        moved = plain._energy - before
        power = np.where(moved > 0, -moved / 0.927, -moved * 0.927)
        assert paid == pytest.approx((price - 8.0 * (power > 0)) * power, abs=1e-3)
        # Nothing that is done earns more than what hindsight says could be had.
        assert (missed <= 1e-3).all()
