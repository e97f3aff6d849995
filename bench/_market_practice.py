"""How many steps a second a policy practises, learning included."""

import time

import numpy as np

from bench._market_day import made_prices
from bench._market_strategies import BATTERY, DAY, HOURS, STEP_MIN, minutes
from cloud.market.bidding import fit_chain, opportunity_value
from cloud.market.bidding.policy_course import Course
from cloud.market.bidding.policy_features import Seen, market_features
from cloud.market.bidding.policy_training.practice import Practice
from cloud.market.bidding.policy_training.train import fresh

_BATTERIES, _ROUND = 64, 64 * 168
_ROUNDS = 8
_MEASURE = 300.0


def practice_steps_per_s() -> float:
    model = fresh(Practice(_course(), _BATTERIES, 1), 1)
    model.learn(_ROUND)
    began = time.perf_counter()
    model.learn(_ROUNDS * _ROUND)
    return _ROUNDS * _ROUND / (time.perf_counter() - began)


def _course() -> Course:
    price, base = made_prices(days=40)
    steps = len(price)
    chain = fit_chain(price, base, minutes(steps))
    values = opportunity_value(BATTERY, chain, base, minutes(steps), start_ms=0, step_min=STEP_MIN)
    seen = Seen(price, base, np.arange(steps) + DAY, minutes(steps), STEP_MIN)
    return Course(
        price=price,
        base=base,
        offset=chain.offset,
        means=chain.means[chain.block(minutes(steps))],
        left=values.left.astype(np.float32),
        seen=market_features(seen, BATTERY, _MEASURE),
        measure=_MEASURE,
        hours=HOURS,
        battery=BATTERY,
    )
