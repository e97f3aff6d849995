"""A plan's wishes as segments that a market takes: whole steps, within its limits.

Power is rounded down, so that no more is offered than planned; a discharge's price is rounded up
and a charge's down, so that nothing is sold below or bought above what pays. Where a market allows
only a few prices for the whole day (as in Australia), each segment takes the next one that pays.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from cloud.market.bid import BidInterval, Direction, OfferMode, Segment
from cloud.market.exchanges import Product
from cloud.market.forecast import Floats
from cloud.market.plans import IntervalReason

# Beyond what the market lets be written; the day's figures have fewer digits.
_DIGITS = 9


def energy_offers(
    starts_ms: Sequence[int],
    reasons: Sequence[IntervalReason],
    product: Product,
    mode: OfferMode,
    committed_mw: Floats | None = None,
) -> tuple[BidInterval, ...]:
    """Return what a plan sells and buys as an energy product; intervals that rest stay empty.

    They are part of the bid all the same: every version of it covers the same time.

    Only what is not sold or bought already is offered: less charging than promised is a sale.

    Args:
        starts_ms: UTC epoch of the plan's intervals.
        reasons: of the plan, one for each interval.
        product: its steps and limits.
        mode: without prices in other modes than quantity and price.
        committed_mw: power promised already, discharge positive, shape (intervals,).
    """
    promised = [0.0] * len(starts_ms) if committed_mw is None else committed_mw.tolist()
    offered = [
        BidInterval(start, _energy(reason, before, product, mode))
        for start, reason, before in zip(starts_ms, reasons, promised, strict=True)
    ]
    if mode is OfferMode.QUANTITY_PRICE and product.prices_fixed_for_day:
        return _on_ladder(tuple(offered), product)
    return tuple(offered)


def held_offers(
    starts_ms: Sequence[int], offered_mw: Floats, cost: float, product: Product, mode: OfferMode
) -> tuple[BidInterval, ...]:
    """Return power held ready as a capacity product, at the least price that covers its wear.

    Args:
        starts_ms: UTC epoch of the plan's intervals.
        offered_mw: shape (intervals,).
        cost: of one MW held for an hour, in the market's currency.
        product: regulation or reserve, with one direction.
        mode: as for energy.
    """
    (direction,) = product.directions[:1]
    price = None
    if mode is OfferMode.QUANTITY_PRICE:
        price = _within(stepped(cost, product.price_step, up=True), product)
    why = f"holding it ready wears {cost:.2f} per MW and hour; cleared from there on it pays"
    found = []
    for start, power in zip(starts_ms, offered_mw, strict=True):
        whole = stepped(float(power), product.power_step_mw, up=False)
        enough = whole >= max(product.min_power_mw, product.power_step_mw)
        segments = (Segment(direction, whole, price, why),) if enough else ()
        found.append(BidInterval(start, segments))
    return tuple(found)


def stepped(value: float, step: Decimal, *, up: bool) -> Decimal:
    """Return the next whole multiple of a step, above or below."""
    exact = Decimal(repr(round(value, _DIGITS)))
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    return (exact / step).to_integral_value(rounding) * step


def _energy(
    reason: IntervalReason, promised_mw: float, product: Product, mode: OfferMode
) -> tuple[Segment, ...]:
    more_mw = reason.power_mw - promised_mw
    power = stepped(abs(more_mw), product.power_step_mw, up=False)
    if power < max(product.min_power_mw, product.power_step_mw):
        return ()
    sells = more_mw > 0
    direction = Direction.DISCHARGE if sells else Direction.CHARGE
    if direction not in product.directions:
        return ()
    price = None
    if mode is OfferMode.QUANTITY_PRICE:
        price = _within(
            stepped(_pays_at(reason.power_mw, promised_mw, reason), product.price_step, up=sells),
            product,
        )
    return (Segment(direction, power, price, reason.sentence),)


def _pays_at(power_mw: float, promised_mw: float, reason: IntervalReason) -> float:
    """Return the price from which (or up to which) going from promised to planned power pays.

    Between discharging more and less lies the price from which discharging pays, between charging
    more and less the one up to which charging does; across zero it is the more careful of both.
    """
    if min(power_mw, promised_mw) >= 0:
        return reason.discharge_above
    if max(power_mw, promised_mw) <= 0:
        return reason.charge_below
    return reason.discharge_above if power_mw > promised_mw else reason.charge_below


def _within(price: Decimal, product: Product) -> Decimal:
    return min(max(price, product.price_floor), product.price_cap)


def _on_ladder(offered: tuple[BidInterval, ...], product: Product) -> tuple[BidInterval, ...]:
    """Put the prices of a day on as many rungs as a market allows, each way."""
    rungs = {
        direction: _rungs(_prices(offered, direction), product.max_segments, direction)
        for direction in (Direction.CHARGE, Direction.DISCHARGE)
    }
    return tuple(
        BidInterval(one.start_ms, tuple(_on_rung(segment, rungs) for segment in one.segments))
        for one in offered
    )


def _prices(offered: Sequence[BidInterval], direction: Direction) -> list[Decimal]:
    return sorted(
        {
            segment.price
            for one in offered
            for segment in one.segments
            if segment.direction is direction and segment.price is not None
        }
    )


def _rungs(prices: Sequence[Decimal], most: int, direction: Direction) -> list[Decimal]:
    """Choose evenly among the prices asked for; the dearest sale and cheapest purchase stay."""
    if len(prices) <= most:
        return list(prices)
    places = np.linspace(0, len(prices) - 1, most)
    up = direction is Direction.DISCHARGE
    whole = {math.ceil(place) if up else math.floor(place) for place in places.tolist()}
    return [prices[place] for place in sorted(whole)]


def _on_rung(segment: Segment, rungs: dict[Direction, list[Decimal]]) -> Segment:
    if segment.price is None:
        return segment
    ladder = rungs[segment.direction]
    if segment.direction is Direction.DISCHARGE:
        price = min(rung for rung in ladder if rung >= segment.price)
    else:
        price = max(rung for rung in ladder if rung <= segment.price)
    return Segment(segment.direction, segment.power_mw, price, segment.why)
