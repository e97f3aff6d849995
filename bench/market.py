"""How fast the market desk decides: strategies tried, a policy trained, a day bid, one re-bid.

Prices are made here, so that anybody can repeat it: two peaks a day, a residual that stays for a
while, rare spikes. One strategy simulation is one strategy on one day of quarter-hours.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

from bench._market_day import bid_set, made_prices, ready, rebid
from bench._market_practice import practice_steps_per_s
from bench._market_strategies import sdp_days_per_s, simulate, warm_up

Rows = list[dict[str, Any]]

_SIMULATIONS, _PROCESSES = 100_000, 2
_TARGET_S, _BID_SET_S, _REBID_S = 60.0, 10.0, 1.0
_TARGET_DAYS_PER_S = _SIMULATIONS / _TARGET_S
_POWER_STEP = Decimal("0.01")


def run() -> Rows:
    return [*_strategies(), *_bids(), _practice()]


def _strategies() -> Rows:
    price, base = made_prices(days=60)
    part = _SIMULATIONS // _PROCESSES
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(warm_up, range(_PROCESSES)))
        began = time.perf_counter()
        done = sum(pool.map(simulate, [price] * _PROCESSES, [base] * _PROCESSES, [part] * 2))
        took_s = time.perf_counter() - began
    return [
        _row("market.strategy_days_per_s", done / took_s, "days/s", "more", _TARGET_DAYS_PER_S),
        _row("market.100k_simulations_s", took_s * _SIMULATIONS / done, "s", "less", _TARGET_S),
        _row("market.sdp_days_per_s", sdp_days_per_s(price, base), "days/s", "more"),
    ]


def _bids() -> Rows:
    desk = ready()
    bid_set(desk, _POWER_STEP)  # what compiles, compiles
    began = time.perf_counter()
    day = bid_set(desk, _POWER_STEP)
    set_s = time.perf_counter() - began
    began = time.perf_counter()
    rebid(day, _POWER_STEP)
    return [
        _row("market.bid_set_s", set_s, "s", "less", _BID_SET_S),
        _row("market.rebid_s", time.perf_counter() - began, "s", "less", _REBID_S),
    ]


def _practice() -> dict[str, Any]:
    return _row("market.ppo_steps_per_s", practice_steps_per_s(), "steps/s", "more")


def _row(
    name: str, value: float, unit: str, better: str, target: float | None = None
) -> dict[str, Any]:
    found = {"name": name, "value": round(float(value), 4), "unit": unit, "better": better}
    return found | {"target": target, "peers": {}}
