"""What a bid comes to over possible prices, together with what is promised beside it.

A station has one battery. What the same plan buys or sells at other markets, or was cleared before,
moves its energy too: without it an evening's sale seems to lack the energy that was bought
elsewhere. Its money, and what it misses, belongs to other bids and is left out.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction
from cloud.market.forecast import Floats
from cloud.market.risk import Followed, Stressed, follow, stress
from cloud.market.units import HOUR_MIN

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


def worth_of(inputs: Mapping[str, Any]) -> float | None:
    """Return what a MWh that a version leaves in store is worth by its plan; None: it brings none.

    It is what the plan makes of one MWh in the cells when the bid's time ends.
    """
    plan = inputs.get("plan")
    told = plan.get("worth_left") if isinstance(plan, dict) else None
    return None if told is None else float(told)


def follow_together(
    offers: BidSet,
    prices: Floats,
    battery: Battery,
    beside: Mapping[int, float],
    worth: float | None = None,
) -> Followed:
    """Follow a bid set of energy through price paths, with what is promised beside it.

    Args:
        offers: what is weighed.
        prices: of its intervals, shape (scenarios, intervals).
        battery: of the station.
        beside: power promised beside it by beginning of an interval, MW, discharge positive.
        worth: of a MWh that the offers leave in store; None: it counts nothing.

    Returns:
        Revenue and what is missed or left are those of the offers alone; the other energies are
        those of the battery.
    """
    also = _powers(offers, beside)
    return follow(offers, prices, battery, end_value=worth or 0.0, beside_mw=also)


def stress_together(
    offers: BidSet,
    prices: Floats,
    battery: Battery,
    beside: Mapping[int, float],
    *,
    spike_price: float,
    worth: float | None = None,
) -> tuple[Stressed, ...]:
    """Return what stressed days make of a bid set, weighed as `follow_together` weighs it.

    Args:
        offers: what is weighed.
        prices: expected, shape (intervals,).
        battery: of the station.
        beside: as for `follow_together`.
        spike_price: of the dearest twentieth of the day in the spike case.
        worth: as for `follow_together`.
    """
    also = _powers(offers, beside)
    return stress(
        *(offers, prices, battery),
        spike_price=spike_price,
        end_value=worth or 0.0,
        beside_mw=also,
    )


def _powers(offers: BidSet, beside: Mapping[int, float]) -> Floats:
    return np.array([beside.get(one.start_ms, 0.0) for one in offers.intervals])
