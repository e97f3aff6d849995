"""Which use makes the worth of a MWh in store: a sale, a purchase that it spares, or the end.

The dual of the energy balance stays the same as long as the store is neither full nor empty, so the
use that sets it lies in the stretch of intervals around that have the same dual. There a sale or a
purchase whose own reckoning gives just this worth is what a MWh more, or less, would change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
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


def next_use(request: PlanRequest, plan: Plan, index: int) -> NextUse:
    """Return the use that makes the worth of a MWh in store at the end of an interval.

    Of several the nearest one counts, a later one before an earlier one.
    """
    worth = plan.energy_value
    begin, end = _stretch(plan, index)
    around = [*range(index + 1, end), *range(index - 1, begin - 1, -1), index]
    same = [
        NextUse(way, at, price)
        for at in around
        for way, price, makes in _uses(request, at)
        if abs(makes - worth[index]) <= _SAME
    ]
    if same:
        return next((use for use in same if _is_free(request, plan, use)), same[0])
    if end == len(worth) and abs(request.end_value - worth[index]) <= _SAME:
        return NextUse(Way.END)
    for at in around:
        if any(one.offered_mw[at] > _STILL_MW for one in plan.capacity.values()):
            return NextUse(Way.HELD, at, float(request.price[at]))
    return NextUse(Way.OTHER)


def _stretch(plan: Plan, index: int) -> tuple[int, int]:
    """Return begin and end of the intervals around one that have the same dual."""
    other = np.flatnonzero(np.abs(plan.energy_value - plan.energy_value[index]) > _SAME)
    before, after = other[other < index], other[other > index]
    begin = int(before[-1]) + 1 if len(before) else 0
    return begin, int(after[0]) if len(after) else len(plan.energy_value)


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
