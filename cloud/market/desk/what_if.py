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
from cloud.market.exchanges import Violation
from cloud.market.risk import follow

_BINS: Final = 24


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
    """

    judgement: Judgement
    violations: tuple[Violation, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    scenarios: int
    missed_mwh: float


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
        return WhatIf(judged, (), (), (), 0, 0.0)
    wrong = violations_of(bid, edited, context, battery)
    forecast = forecast_of(base.content.inputs)
    prices = None if forecast is None else paths_of(offers, forecast, crc32(bid.id.encode()))
    if prices is None:
        return WhatIf(judged, wrong, (), (), 0, 0.0)
    followed = follow(offers, prices, battery)
    counts, edges = np.histogram(followed.revenue, _BINS)
    return WhatIf(
        judged,
        wrong,
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        len(prices),
        float(followed.missed_mwh.mean()),
    )
