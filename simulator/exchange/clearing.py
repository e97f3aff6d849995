"""Who gets what: orders against the recorded price, and the day's statement."""

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from simulator.exchange.book import Book, Held
from simulator.exchange.config import ExchangeConfig, MarketConfig, ProductConfig
from simulator.exchange.orders import Order
from simulator.exchange.recorded import Recorded, load
from simulator.exchange.timetable import MIN_MS, day_ms, due_ms

_CENT = Decimal("0.01")
_HOUR = 60


@dataclass(frozen=True, slots=True)
class Award:
    """What a station got: a side of a product for an interval, at its price."""

    station: str
    product: str
    start_ms: int
    minutes: int
    side: str
    mw: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement; quantity in MWh or MW·h, amount signed to the station's good."""

    start_ms: int
    item: str
    detail: str
    quantity: Decimal
    unit: str
    price: Decimal
    amount: Decimal


class Prices:
    """The recorded prices of all products."""

    def __init__(self, config: ExchangeConfig) -> None:
        self._of: dict[tuple[str, str], Recorded] = {}
        for market in config.markets:
            for product in market.products:
                self._of[market.id, product.id] = load(product.price)
            if market.imbalance is not None:
                self._of[market.id, ""] = load(market.imbalance)

    def at(self, market: MarketConfig, product: str, start_ms: int) -> Decimal:
        """Return a product's price at an interval; product "": the imbalance price."""
        if not product and market.imbalance is None:
            product = [one.id for one in market.products if one.kind == "energy"][-1]
        return self._of[market.id, product].at(start_ms)


def awards(
    book: Book, held: Held, market: MarketConfig, prices: Prices, now_ms: int
) -> tuple[Award, ...]:
    """Return what a submission has got by now; intervals whose gate is open are not cleared."""
    sums: dict[tuple[str, str, int, str], Decimal] = {}
    for order in book.in_force(held, market):
        product = market.product(order.product)
        if product is None or now_ms < due_ms(market, product, order.start_ms):
            continue
        if _wins(order, prices.at(market, order.product, order.start_ms)):
            key = (order.station, order.product, order.start_ms, order.side)
            sums[key] = sums.get(key, Decimal(0)) + order.mw
    return tuple(
        Award(
            station,
            name,
            start,
            _product(market, name).interval_min,
            side,
            mw,
            prices.at(market, name, start),
        )
        for (station, name, start, side), mw in sorted(sums.items(), key=lambda item: item[0][2])
    )


def _wins(order: Order, price: Decimal) -> bool:
    if order.price is None:
        return True
    return order.price >= price if order.side == "charge" else order.price <= price


def _product(market: MarketConfig, name: str) -> ProductConfig:
    product = market.product(name)
    if product is None:
        raise KeyError(name)
    return product


def cleared(book: Book, held: Held, market: MarketConfig, now_ms: int) -> tuple[bool, bool]:
    """Return whether any and whether all intervals of a submission are past their gates.

    Of one that was taken back or replaced only what was due before counts; it is complete.
    """
    if held.status in {"rejected", "withdrawn"}:
        return True, True
    due = [
        now_ms >= due_ms(market, _product(market, o.product), o.start_ms)
        for o in book.in_force(held, market)
    ]
    return any(due), all(due)


def statement(
    book: Book, market: MarketConfig, prices: Prices, station: str, bounds: tuple[int, int]
) -> tuple[Line, ...] | None:
    """Return the lines of a delivery day; None: the meter has not told the whole day yet.

    In a provisional market what the meter has told is enough; awards of later intervals are not in.
    """
    begin, end = bounds
    meter = {
        start: told
        for start, told in book.meters.get((market.id, station), {}).items()
        if begin <= start < end
    }
    if market.provisional and meter:
        end = max(start + minutes * MIN_MS for start, (minutes, _) in meter.items())
    elif sum(minutes for minutes, _ in meter.values()) * MIN_MS != end - begin:
        return None
    won = [
        award
        for held in book.all()
        if held.market == market.id
        for award in awards(book, held, market, prices, end)
        if award.station == station and begin <= award.start_ms < end
    ]
    lines = list(_capacity(won, market))
    if market.settle == "gross":
        lines += _gross(meter, market, prices)
    else:
        lines += _net(won, meter, market, prices)
    return tuple(sorted(lines, key=lambda line: (line.start_ms, line.item, line.detail)))


def day_bounds(market: MarketConfig, day: str) -> tuple[int, int]:
    """Return a delivery day's beginning and end.

    Raises:
        ValueError: it is no day.
    """
    return day_ms(market, dt.date.fromisoformat(day))


def _capacity(won: list[Award], market: MarketConfig) -> Iterator[Line]:
    for one in won:
        if _product(market, one.product).kind == "capacity":
            quantity = Fraction(one.mw) * one.minutes / _HOUR
            yield _line(one.start_ms, ("capacity", one.product, "MW.h"), quantity, one.price)


def _gross(
    meter: Mapping[int, tuple[int, Decimal]], market: MarketConfig, prices: Prices
) -> Iterator[Line]:
    energy = next(one for one in market.products if one.kind == "energy")
    for start, (_, mwh) in sorted(meter.items()):
        price = prices.at(market, energy.id, start)
        quantity = Fraction(mwh) * Fraction(market.loss_factor)
        yield _line(start, ("energy", energy.id, "MWh"), quantity, price)


def _net(
    won: list[Award],
    meter: Mapping[int, tuple[int, Decimal]],
    market: MarketConfig,
    prices: Prices,
) -> Iterator[Line]:
    """Settle what was bought and sold ahead at its prices, and the meter against the sum of it.

    What a real-time product awards is how a unit is to run; it is paid by the meter alone.
    """
    ahead = [one for one in market.products if one.kind == "energy" and one.stage != "real_time"]
    plans = {one.id: _plan(won, one.id) for one in ahead}
    for start, (minutes, mwh) in sorted(meter.items()):
        position = Fraction(0)
        for one in ahead:
            cell = start - start % (one.interval_min * MIN_MS)
            mw = plans[one.id].get(cell)
            if mw is None:
                continue
            sold = Fraction(mw) * minutes / _HOUR
            yield _line(start, ("energy", one.id, "MWh"), sold, prices.at(market, one.id, cell))
            position += sold
        if Fraction(mwh) != position:
            rest = Fraction(mwh) - position
            yield _line(start, ("imbalance", "", "MWh"), rest, prices.at(market, "", start))


def _plan(won: list[Award], product: str) -> dict[int, Decimal]:
    plan: dict[int, Decimal] = {}
    for one in won:
        if one.product == product:
            signed = -one.mw if one.side == "charge" else one.mw
            plan[one.start_ms] = plan.get(one.start_ms, Decimal(0)) + signed
    return plan


def _line(start_ms: int, what: tuple[str, str, str], quantity: Fraction, price: Decimal) -> Line:
    """Return a line; the amount is rounded once, from exact fractions, halves away from zero."""
    cents = quantity * Fraction(price) * 100
    whole = math.floor(abs(cents) + Fraction(1, 2))
    amount = Decimal(whole if cents >= 0 else -whole) / 100
    item, detail, unit = what
    shown = Decimal(quantity.numerator) / Decimal(quantity.denominator)
    return Line(start_ms, item, detail, shown, unit, price, amount.quantize(_CENT))
