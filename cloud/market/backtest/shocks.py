"""What goes wrong with prices and their inputs, made on purpose and the same for a seed.

Prices that come are shaken by the hour; inputs are lost for whole days, come too late for the
day they are for, or hold values that no market ever had.
"""

from dataclasses import replace

import numpy as np

from cloud.market.backtest.prices import Prices

LOST, LATE, ABSURD = 0.05, 0.05, 0.02
"""Shares of days without a day-ahead price, with one that came too late, and of steps with an
absurd value."""
_ABSURD_FACTOR = 1e6


def shake(prices: Prices, size: float, seed: int) -> Prices:
    """Return prices of which each hour is multiplied by 1 - size .. 1 + size."""
    rng = np.random.default_rng(seed)
    per_hour = max(60 // prices.step_min, 1)
    hours = -(-len(prices.price) // per_hour)
    factor = np.repeat(rng.uniform(1 - size, 1 + size, hours), per_hour)[: len(prices.price)]
    return replace(prices, price=prices.price * factor)


def spoil(prices: Prices, seed: int) -> Prices:
    """Return what might be seen of prices: days lost or late, absurd values."""
    rng = np.random.default_rng(seed)
    days = prices.day - prices.day[0]
    lost = rng.random(int(days[-1]) + 1) < LOST + LATE
    absurd = rng.random(len(prices.price)) < ABSURD
    wild = np.where(rng.random(len(absurd)) < 0.5, _ABSURD_FACTOR, -_ABSURD_FACTOR)  # noqa: PLR2004
    price = np.where(absurd, wild, prices.price)
    ahead = prices.day_ahead
    if ahead is not None:
        ahead = np.where(lost[days], np.nan, np.where(absurd, wild, ahead))
    else:
        price = np.where(lost[days], np.nan, price)
    return replace(prices, price=price, day_ahead=ahead)
