"""What could have been earned at most in settled time, with the same battery at the same prices.

Only the time of settled bids counts: ten minutes of trading are not set against a whole day.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

import numpy as np

from cloud.market.battery import Battery
from cloud.market.money.ledger import StationDay

_CENT: Final = Decimal("0.01")


async def with_perfect(days: Sequence[StationDay]) -> list[StationDay]:
    """Return settled days with what perfect foresight would have earned, where prices are known.

    Solving takes some hundredths of a second a day and goes on in a thread.
    """
    return await asyncio.to_thread(lambda: [_one(day) for day in days])


def _one(day: StationDay) -> StationDay:
    if day.prices is None or day.battery is None or not np.isfinite(day.prices[0]).all():
        return day
    price, step_min = day.prices
    money = _solved(tuple(price.tolist()), day.battery, step_min)
    return replace(day, perfect=Decimal(repr(round(money, 6))).quantize(_CENT, ROUND_HALF_UP))


@lru_cache(maxsize=512)
def _solved(price: tuple[float, ...], battery: Battery, step_min: int) -> float:
    from cloud.market.bidding import perfect_foresight  # noqa: PLC0415 - a solver, slow to load

    return perfect_foresight(np.array(price), battery, step_min)[0]
