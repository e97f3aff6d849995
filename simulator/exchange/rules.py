"""The exchange's own check of orders: grid, gate, prices, powers, curves."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from simulator.exchange.config import MarketConfig, ProductConfig
from simulator.exchange.orders import Order
from simulator.exchange.timetable import MIN_MS, day_ms, due_ms, shown

Fault = tuple[int, str]
"""An interval's beginning and what is wrong with it."""

_ENERGY_SIDES = {"charge", "discharge"}
_CAPACITY_SIDES = {"up", "down", "both"}


def faults(orders: Iterable[Order], market: MarketConfig, now_ms: int) -> list[Fault]:
    """Return what is wrong with orders; empty: they can be taken."""
    found: list[Fault] = []
    groups: dict[tuple[str, str, int], list[Order]] = {}
    for one in orders:
        groups.setdefault((one.station, one.product, one.start_ms), []).append(one)
    for (_, name, start), here in groups.items():
        product = market.product(name)
        if product is None:
            found.append((start, f"product {name} is not traded in {market.id}"))
            continue
        begin, end = day_ms(market, here[0].day)
        if not begin <= start < end or (start - begin) % (product.interval_min * MIN_MS):
            found.append((start, f"{shown(start)} begins no interval of {here[0].day}"))
            continue
        due = due_ms(market, product, start)
        if now_ms >= due:
            found.append((start, f"gate closed at {shown(due)}"))
        found += [(start, text) for text in _curve(here, product)]
    return found


def _curve(orders: Sequence[Order], product: ProductConfig) -> Iterator[str]:
    sides = _ENERGY_SIDES if product.kind == "energy" else _CAPACITY_SIDES
    for one in orders:
        if one.side not in sides:
            yield f"{one.side} cannot be offered"
        if not one.mw.is_finite() or one.mw <= 0:
            yield f"{one.mw} MW is not above 0"
        if one.price is not None and not _within(one.price, product):
            yield f"price {one.price} is not within {product.price_floor}..{product.price_cap}"
    for side, count in Counter(one.side for one in orders).items():
        if count > product.most_segments:
            yield f"{count} segments of {side}, at most {product.most_segments}"
    yield from _order_of_prices(orders, product)


def _within(price: Decimal, product: ProductConfig) -> bool:
    return price.is_finite() and product.price_floor <= price <= product.price_cap


def _order_of_prices(orders: Sequence[Order], product: ProductConfig) -> Iterator[str]:
    priced = [(o.side, o.price) for o in orders if o.price is not None and o.price.is_finite()]
    charge = [price for side, price in priced if side == "charge"]
    discharge = [price for side, price in priced if side == "discharge"]
    if product.code != "ENERGY":  # the Australian ladder is checked as a whole
        if any(after > before for before, after in pairwise(charge)):
            yield "what is paid for charging rises from one segment to the next"
        if any(after < before for before, after in pairwise(discharge)):
            yield "what is asked for discharging falls from one segment to the next"
    if charge and discharge and max(charge) >= min(discharge):
        yield "it would charge and discharge at once"
