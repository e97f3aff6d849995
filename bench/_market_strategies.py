"""Strategies simulated by the thousand: half of them thresholds, half of them value curves."""

import math
import time

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding import fit_chain, opportunity_value
from cloud.market.bidding.run_kernels import run_thresholds, run_values
from cloud.market.bidding.value import physics

Floats = npt.NDArray[np.float64]

BATTERY = Battery(1.0, 1.0, 2.0, 0.927, 0.927, 8.0)
DAY, STEP_MIN, HOURS = 96, 15, 0.25
_RULES_AT_ONCE = 1000
_SOLVED_S = 3.0


def minutes(steps: int) -> npt.NDArray[np.int64]:
    return np.arange(steps, dtype=np.int64) % DAY * STEP_MIN


def warm_up(number: int) -> int:
    """Compile (or load) what is measured; returns its number."""
    rng = np.random.default_rng(number)
    price = rng.gamma(2, 20, 20 * DAY)
    simulate(price, np.full(len(price), 40.0), 2 * _RULES_AT_ONCE)
    return number


def simulate(price: Floats, base: Floats, count: int) -> int:
    """Simulate so many strategy days (rounded to whole lots); return how many."""
    rng = np.random.default_rng(1)
    days, done = len(price) // DAY, 0
    chain = fit_chain(price, base, minutes(len(price)))
    out, always = np.empty(_RULES_AT_ONCE), np.ones(DAY, bool)
    earned, energy, power, left = (np.empty(DAY) for _ in range(4))
    battery = physics(BATTERY)
    while done < count:
        here = slice(int(rng.integers(days)) * DAY, None)
        came, expected = price[here][:DAY], base[here][:DAY]
        low = rng.uniform(10, 40, _RULES_AT_ONCE)
        run_thresholds(came, always, low, low * 2, HOURS, battery, out)
        values = opportunity_value(
            BATTERY, chain, expected, minutes(DAY), start_ms=0, step_min=STEP_MIN
        )
        states = chain.prices(expected, minutes(DAY))
        nothing, one_day = np.zeros(DAY), np.zeros(DAY, np.int64)
        for scaling in rng.uniform(0.7, 1.4, _RULES_AT_ONCE):
            run_values(
                came,
                states,
                values.left,
                np.full(DAY, scaling),
                nothing,
                nothing,
                nothing,
                one_day,
                math.inf,
                0.0,
                HOURS,
                battery,
                earned,
                energy,
                power,
                left,
            )
        done += 2 * _RULES_AT_ONCE
    return done


def sdp_days_per_s(price: Floats, base: Floats) -> float:
    """Days that are valued anew each (horizon of a day) and bid, per second of one thread."""
    chain = fit_chain(price, base, minutes(len(price)))
    began, solved = time.perf_counter(), 0
    while time.perf_counter() - began < _SOLVED_S:
        expected = base[solved % 50 * DAY :][:DAY]
        opportunity_value(BATTERY, chain, expected, minutes(DAY), start_ms=0, step_min=STEP_MIN)
        solved += 1
    return solved / (time.perf_counter() - began)
