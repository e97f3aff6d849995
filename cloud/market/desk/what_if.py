"""What an edited bid set would come to, without storing it: rules, limits, risk, the histogram.

It is judged as the worker would judge it, with the same possible days: what a person sees while
typing is what the bid will be weighed at.
"""

from dataclasses import dataclass, replace
from typing import Final
from zlib import crc32

import numpy as np

from cloud.market.bid import BidSet
from cloud.market.bids import Bid, Judgement, State, Version
from cloud.market.desk.judging import (
    Context,
    battery_of,
    forecast_of,
    judge,
    paths_of,
    violations_of,
)
from cloud.market.desk.weighing import (
    beside_of,
    follow_together,
    is_energy,
    worth_of,
)
from cloud.market.exchanges import Violation
from cloud.market.forecast import Floats

_BINS: Final = 24
_SHOWN: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""By their revenue: of these ranks are the possible days that are shown."""


@dataclass(frozen=True)
class PossibleDay:
    """One of the days that a bid is weighed with.

    Attributes:
        rank: share of the days that earn no more.
        revenue: of the bid on it.
        price: shape (intervals,).
    """

    rank: float
    revenue: float
    price: tuple[float, ...]


@dataclass(frozen=True)
class WhatIf:
    """What an edited bid set would come to.

    Attributes:
        judgement: as the worker would judge it.
        violations: rules that it breaks, each with its interval.
        edges: of the histogram of revenue, shape (bins + 1,); empty without a forecast.
        counts: possible days in each bin, shape (bins,).
        scenarios: how many possible days.
        missed_mwh: energy that clears and cannot be followed, on average.
        days: some of the possible days, from poor to rich.
    """

    judgement: Judgement
    violations: tuple[Violation, ...]
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    scenarios: int = 0
    missed_mwh: float = 0.0
    days: tuple[PossibleDay, ...] = ()


def what_if(bid: Bid, base: Version, offers: BidSet, context: Context, why: str = "") -> WhatIf:
    """Return what would come of other offers in the place of a version's.

    Args:
        bid: with all its versions.
        base: whose battery and forecast are used.
        offers: of the same time and product.
        context: what it is judged by.
        why: the reason that is given, where the market asks for one.
    """
    content = replace(base.content, bid_set=offers)
    edited = replace(base, state=State.DRAFTED, content=content, why=why)
    judged = judge(bid, edited, context)
    battery = battery_of(base.content.inputs)
    if battery is None:
        return WhatIf(judged, ())
    wrong = violations_of(bid, edited, context, battery)
    forecast = forecast_of(base.content.inputs)
    prices = None if forecast is None else paths_of(offers, forecast, crc32(bid.id.encode()))
    if forecast is None or prices is None or not is_energy(offers):
        return WhatIf(judged, wrong)
    beside, worth = beside_of(base.content.inputs), worth_of(base.content.inputs)
    followed = follow_together(offers, prices, battery, beside, worth)
    counts, edges = np.histogram(followed.revenue, _BINS)
    return WhatIf(
        judged,
        wrong,
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        len(prices),
        float(followed.missed_mwh.mean()),
        shown_days(followed.revenue, prices),
    )


def shown_days(revenue: Floats, prices: Floats) -> tuple[PossibleDay, ...]:
    """Return the possible days at some ranks of revenue, each with its prices."""
    order = np.argsort(revenue, kind="stable")
    places = [int(order[round(rank * (len(order) - 1))]) for rank in _SHOWN]
    return tuple(
        PossibleDay(rank, float(revenue[place]), tuple(np.round(prices[place], 2).tolist()))
        for rank, place in zip(_SHOWN, places, strict=True)
    )
