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
from contract.words import Words

# Beyond what the market lets be written; the day's figures have fewer digits.
_DIGITS = 9
_SMALL_MW = 1e-3
"""As much as a plan may miss; below it nothing is said."""


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


def energy_words(
    reasons: Sequence[IntervalReason],
    product: Product,
    committed_mw: Floats | None = None,
) -> tuple[Words, ...]:
    """Return why each interval is offered as `energy_offers` does, or why nothing is offered.

    Args:
        reasons: of the plan, one for each interval.
        product: its steps and limits.
        committed_mw: power promised already or offered at other markets, discharge positive.
    """
    promised = [0.0] * len(reasons) if committed_mw is None else committed_mw.tolist()
    return tuple(
        _words(reason, before, product) for reason, before in zip(reasons, promised, strict=True)
    )


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
    found = []
    words = held_words(offered_mw, cost, product)
    for start, power, why in zip(starts_ms, offered_mw, words, strict=True):
        whole = _held(float(power), product)
        segments = (Segment(direction, whole, price, why.en),) if whole else ()
        found.append(BidInterval(start, segments))
    return tuple(found)


def held_words(offered_mw: Floats, cost: float, product: Product) -> tuple[Words, ...]:
    """Return why power is held in each interval, or why none is; see `held_offers`."""
    holds = Words(
        f"holding it ready wears {cost:.2f} per MW and hour; cleared from there on it pays",
        f"预留每 MW 每小时损耗成本 {cost:.2f}，出清价不低于此即有收益",
    )
    rests = Words(
        "nothing is held ready: power and store earn more with energy, or leave no room for it",
        "不预留：功率与库存用于电能量收益更高，或已无余量",
    )
    return tuple(holds if _held(float(power), product) else rests for power in offered_mw)


def _held(power_mw: float, product: Product) -> Decimal:
    """Return what is offered of a power that is held; 0: too little."""
    whole = stepped(power_mw, product.power_step_mw, up=False)
    return whole if whole >= max(product.min_power_mw, product.power_step_mw) else Decimal(0)


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
    return (Segment(direction, power, price, _words(reason, promised_mw, product).en),)


def _words(reason: IntervalReason, promised_mw: float, product: Product) -> Words:
    """Return why an interval is offered as it is, or why not."""
    more_mw = reason.power_mw - promised_mw
    least = max(product.min_power_mw, product.power_step_mw)
    if stepped(abs(more_mw), product.power_step_mw, up=False) < least:
        return _nothing(reason, promised_mw, float(least))
    if abs(promised_mw) <= _SMALL_MW:
        return reason.words
    pays = _pays_at(reason.power_mw, promised_mw, reason)
    why = reason.discharge_why if pays == reason.discharge_above else reason.charge_why
    sells = more_mw > 0
    way = ("sells", "more", "卖出", "低") if sells else ("buys", "less", "买入", "高")
    return Words(
        f"{way[0]} {abs(more_mw):.2f} MW at {pays:.2f} or {way[1]} ({reason.price:.2f} expected), "
        f"beside {promised_mw:+.2f} MW promised or offered elsewhere: {why.en}{reason.held.en}",
        f"价格不{way[3]}于 {pays:.2f} 时{way[2]} {abs(more_mw):.2f} MW（预计 {reason.price:.2f}），"
        f"另有 {promised_mw:+.2f} MW 已成交或在其他市场申报：{why.zh}{reason.held.zh}",
    )


def _nothing(reason: IntervalReason, promised_mw: float, least_mw: float) -> Words:
    """Return why nothing is offered in an interval."""
    more_mw = reason.power_mw - promised_mw
    if max(abs(reason.power_mw), abs(promised_mw)) <= _SMALL_MW:
        return reason.words
    if abs(more_mw) <= _SMALL_MW:
        return Words(
            f"nothing is offered here: all of the planned {reason.power_mw:+.2f} MW is promised "
            "already or offered at another market",
            f"此处不申报：计划的 {reason.power_mw:+.2f} MW 已全部成交或在其他市场申报",
        )
    return Words(
        f"nothing is offered: {more_mw:+.3f} MW is less than the {least_mw:g} MW that the market "
        "takes at the least",
        f"不申报：{more_mw:+.3f} MW 低于市场最小申报功率 {least_mw:g} MW",
    )


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
