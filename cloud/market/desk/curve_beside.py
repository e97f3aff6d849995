"""A curve beside power that is promised already: only what differs from it is offered.

The curve says for each price what power is right. Where that lies above what is promised the rest
is sold, where it lies below it is bought back; what cannot be delivered at any price is bought back
at any price.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise

import numpy as np

from cloud.market.bid import Direction, Segment
from cloud.market.exchanges import Product

_DIGITS = 9


def beside_promised(
    curve: Sequence[Segment], promised_mw: float, product: Product, rated_mw: tuple[float, float]
) -> tuple[Segment, ...]:
    """Return the segments that bring promised power to where a curve says.

    Args:
        curve: sales from the lowest price up, then purchases from the highest price down.
        promised_mw: discharge positive.
        product: its steps, limits and number of segments.
        rated_mw: most that may be bought and sold.
    """
    step = product.power_step_mw
    promised = _whole(promised_mw, step)
    sells = [one for one in curve if one.direction is Direction.DISCHARGE]
    buys = [one for one in curve if one.direction is Direction.CHARGE]
    if promised:
        rising = [*reversed(buys), *sells]
        level = -sum((one.power_mw for one in buys), Decimal(0))
        sells, bought = [], []
        if level > promised:  # it takes in less than was bought: the rest is sold at any price
            why = "more was bought already than fits in"
            sells.append(Segment(Direction.DISCHARGE, level - promised, product.price_floor, why))
        for one in rising:
            below = min(max(promised - level, Decimal(0)), one.power_mw)
            above = one.power_mw - below
            level += one.power_mw
            price = one.price or Decimal(0)
            if above:
                sells.append(replace(one, direction=Direction.DISCHARGE, power_mw=above))
            if below:
                careful = price - product.price_step if above else price
                bought.append(
                    replace(one, direction=Direction.CHARGE, power_mw=below, price=careful)
                )
        if promised > level:
            why = "more was sold already than can be delivered"
            bought.append(Segment(Direction.CHARGE, promised - level, product.price_cap, why))
        buys = bought[::-1]
    return (
        *_fit(sells, product, _whole(rated_mw[1], step)),
        *_fit(buys, product, _whole(rated_mw[0], step)),
    )


def _fit(segments: Sequence[Segment], product: Product, most_mw: Decimal) -> list[Segment]:
    """Cut to what may be offered, join what is too much, leave out what is too little."""
    out: list[Segment] = []
    left = most_mw
    for one in segments:
        power = min(one.power_mw, left)
        inside = product.price_floor <= (one.price or Decimal(0)) <= product.price_cap
        if power > 0 and inside:
            out.append(replace(one, power_mw=power))
            left -= power
    while len(out) > product.max_segments:
        gaps = [abs(_price(two) - _price(one)) * float(one.power_mw) for one, two in pairwise(out)]
        n = int(np.argmin(gaps))
        # Sales rise and purchases fall: the later of two neighbours has the more careful price.
        out[n : n + 2] = [replace(out[n + 1], power_mw=out[n].power_mw + out[n + 1].power_mw)]
    total = sum((one.power_mw for one in out), Decimal(0))
    return out if total >= max(product.min_power_mw, product.power_step_mw) else []


def _price(segment: Segment) -> float:
    return float(segment.price or 0)


def _whole(power_mw: float, step: Decimal) -> Decimal:
    """Return the next whole multiple of a step, nearer to nothing."""
    exact = Decimal(repr(round(power_mw, _DIGITS)))
    return (exact / step).to_integral_value(ROUND_DOWN) * step
