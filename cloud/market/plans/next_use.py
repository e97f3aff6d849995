"""Which use makes the worth of a MWh in store: a sale, a purchase that it spares, or the end.

The dual of the energy balance stays the same as long as the store is neither full nor empty, so the
use that sets it lies in the stretch of intervals around that have the same dual. There a sale or a
purchase whose own reckoning gives just this worth is what a MWh more, or less, would change.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np

from cloud.market.plans.plan import Plan
from cloud.market.plans.request import PlanRequest

_SAME: Final = 0.005
"""Prices are told with two digits; a solver's duals differ by far less."""
_STILL_MW: Final = 1e-3
"""Less than a kilowatt is nothing."""


class Way(StrEnum):
    """How a MWh in store is used next best."""

    SALE = "sale"
    PURCHASE = "purchase"
    HELD = "held"
    END = "end"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class NextUse:
    """The next best use of a MWh in store.

    Attributes:
        way: sold, or a purchase spared, or kept to the end; HELD: it changes how much power is
            held ready; OTHER: what makes it is no price but a wish, as for cycles or an SOC.
        index: of the interval that is sold, bought or held in; 0 in other ways.
        price: of energy as believed there, per MWh.
    """

    way: Way
    index: int = 0
    price: float = 0.0


def next_uses(request: PlanRequest, plan: Plan) -> tuple[NextUse, ...]:
    """Return the use that makes the worth of a MWh in store at the end of each interval.

    Of several in a stretch the nearest counts, a later one before an earlier one; one that could
    grow or shrink before one that is at its limit.
    """
    found: list[NextUse] = []
    count = len(plan.energy_value)
    for begin, end in _stretches(plan):
        worth = float(plan.energy_value[begin])
        same = [
            NextUse(way, at, price)
            for at in range(begin, end)
            for way, price, makes in _uses(request, at)
            if abs(makes - worth) <= _SAME
        ]
        at_end = end == count and abs(request.end_value - worth) <= _SAME
        held = [
            NextUse(Way.HELD, at, float(request.price[at]))
            for at in range(begin, end)
            if any(one.offered_mw[at] > _STILL_MW for one in plan.capacity.values())
        ]
        free = [use for use in same if _is_free(request, plan, use)]
        kinds = (free, same, [NextUse(Way.END)] if at_end else [], held, [NextUse(Way.OTHER)])
        uses = next(some for some in kinds if some)
        places = [use.index for use in uses]
        found += [_nearest(uses, places, index) for index in range(begin, end)]
    return tuple(found)


def _nearest(uses: Sequence[NextUse], places: Sequence[int], index: int) -> NextUse:
    """Return the next use after an interval, else the last before it, else its own."""
    after = bisect_right(places, index)
    if after < len(uses):
        return uses[after]
    before = bisect_left(places, index)
    return uses[before - 1] if before else uses[0]


def _stretches(plan: Plan) -> Iterator[tuple[int, int]]:
    """Return begin and end of intervals, one after the other, that have the same dual."""
    changes = np.flatnonzero(np.abs(np.diff(plan.energy_value)) > _SAME) + 1
    ends = [0, *changes.tolist(), len(plan.energy_value)]
    yield from pairwise(ends)


def _is_free(request: PlanRequest, plan: Plan, use: NextUse) -> bool:
    """Whether a sale could grow, or there is a purchase that could shrink."""
    power = float(plan.power_mw[use.index])
    if use.way is Way.SALE:
        return power < request.battery.discharge_mw - _STILL_MW
    return power < -_STILL_MW


def _uses(request: PlanRequest, at: int) -> Iterator[tuple[Way, float, float]]:
    """Return what a MWh more in store is worth by selling it, or by buying less, in an interval."""
    battery = request.battery
    prices = [float(request.price[at]), *(float(one.price[at]) for one in request.side)]
    for price in prices:
        brings = (price - battery.wear_per_mwh) * battery.discharge_efficiency
        yield Way.SALE, price, brings
    for price in prices:
        yield Way.PURCHASE, price, price / battery.charge_efficiency
