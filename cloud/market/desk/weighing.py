"""What a bid comes to over possible prices, together with what is promised beside it.

A station has one battery. What the same plan buys or sells at other markets, or was cleared before,
moves its energy too: without it an evening's sale seems to lack the energy that was bought
elsewhere. Its money belongs to other bids and is left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import numpy as np

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, Segment
from cloud.market.forecast import Floats
from cloud.market.risk import Followed, Stressed, follow, stress
from cloud.market.units import HOUR_MIN

_DIGITS: Final = 6
_ENDLESS: Final = Battery(1e6, 1e6, 1e9, 1.0, 1.0)
"""What the others of a station are worth by themselves: all that they promise flows."""
_SIGNS: Final = {Direction.DISCHARGE: 1, Direction.CHARGE: -1}


def is_energy(offers: BidSet) -> bool:
    """Whether a bid set offers energy, and not power that is held ready."""
    ways = {part.direction for one in offers.intervals for part in one.segments}
    return not ways or bool(ways & set(_SIGNS))


def own_mw(interval: BidInterval) -> float:
    """Return the power that an interval offers in all, MW, discharge positive."""
    parts = interval.segments
    return float(sum((_SIGNS.get(p.direction, 0) * p.power_mw for p in parts), Decimal(0)))


def held_revenue(offers: BidSet, inputs: Mapping[str, Any]) -> float:
    """Return what power held ready is expected to be paid: where its price reaches what is asked.

    Args:
        offers: of a product that pays for power held.
        inputs: of the version; without the expected prices of its plan nothing is expected.
    """
    plan = inputs.get("plan")
    told = plan.get("held_price", {}) if isinstance(plan, dict) else {}
    if not isinstance(plan, dict) or offers.product not in told:
        return 0.0
    prices: dict[int, float] = dict(zip(plan["starts_ms"], told[offers.product], strict=True))
    paid: float = sum(
        float(part.power_mw) * prices.get(one.start_ms, 0.0)
        for one in offers.intervals
        for part in one.segments
        if part.price is None or float(part.price) <= prices.get(one.start_ms, 0.0)
    )
    return paid * offers.interval_min / HOUR_MIN


def beside_of(inputs: Mapping[str, Any]) -> dict[int, float]:
    """Return the power that is promised beside a version's offers by its plan, MW, by interval."""
    plan = inputs.get("plan")
    if not isinstance(plan, dict) or "beside_mw" not in plan:
        return {}
    return dict(zip(plan["starts_ms"], plan["beside_mw"], strict=True))


def follow_together(
    offers: BidSet, prices: Floats, battery: Battery, beside: Mapping[int, float]
) -> Followed:
    """Follow a bid set of energy through price paths, with what is promised beside it.

    Args:
        offers: what is weighed.
        prices: of its intervals, shape (scenarios, intervals).
        battery: of the station.
        beside: power promised beside it by beginning of an interval, MW, discharge positive.

    Returns:
        Revenue is that of the offers alone; energies are those of the battery.
    """
    also = _powers(offers, beside)
    if not also.any():
        return follow(offers, prices, battery)
    followed = follow(_with(offers, also), prices, battery)
    energy = also * offers.interval_min / HOUR_MIN
    others = prices @ energy - float(np.maximum(energy, 0).sum()) * battery.wear_per_mwh
    return replace(followed, revenue=followed.revenue - others)


def stress_together(
    offers: BidSet,
    prices: Floats,
    battery: Battery,
    beside: Mapping[int, float],
    *,
    spike_price: float,
) -> tuple[Stressed, ...]:
    """Return what stressed days make of a bid set, with what is promised beside it.

    Args:
        offers: what is weighed.
        prices: expected, shape (intervals,).
        battery: of the station.
        beside: as for `follow_together`.
        spike_price: of the dearest twentieth of the day in the spike case.
    """
    also = _powers(offers, beside)
    if not also.any():
        return stress(offers, prices, battery, spike_price=spike_price)
    empty = tuple(replace(one, segments=()) for one in offers.intervals)
    others = _with(replace(offers, intervals=empty), also)
    whole = stress(_with(offers, also), prices, battery, spike_price=spike_price)
    endless = replace(_ENDLESS, wear_per_mwh=battery.wear_per_mwh)
    alone = stress(others, prices, endless, spike_price=spike_price)
    return tuple(
        replace(one, revenue=one.revenue - other.revenue)
        for one, other in zip(whole, alone, strict=True)
    )


def _powers(offers: BidSet, beside: Mapping[int, float]) -> Floats:
    return np.array([beside.get(one.start_ms, 0.0) for one in offers.intervals])


def _with(offers: BidSet, also_mw: Floats) -> BidSet:
    """Return offers with power beside them that flows whatever the price."""
    together = tuple(
        replace(one, segments=(*one.segments, *_fixed(float(power))))
        for one, power in zip(offers.intervals, also_mw, strict=True)
    )
    return replace(offers, intervals=together)


def _fixed(power_mw: float) -> tuple[Segment, ...]:
    """Return power that flows whatever the price."""
    size = Decimal(repr(round(abs(power_mw), _DIGITS)))
    if not size:
        return ()
    way = Direction.DISCHARGE if power_mw > 0 else Direction.CHARGE
    return (Segment(way, size, None, "promised beside it"),)
