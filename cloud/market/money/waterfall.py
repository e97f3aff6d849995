"""From what was planned to what was paid, in steps that add up to the cent.

plan       what the bids would have cleared at the believed prices, paid at them
price      cleared quantities at the cleared prices instead of the believed ones
quantity   cleared quantities instead of planned ones, at the believed prices
imbalance  what was metered otherwise than awarded in the time of the bids, and charges on it
outside    the same in time that no settled bid covers: nothing was awarded then
fees       what the market takes for itself
other      contracts, mileage, and what rounding leaves
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from cloud.market.settlement import MixedCurrencies
from cloud.market.statement import Item, Statement

STEPS: Final = ("plan", "price", "quantity", "imbalance", "outside", "fees", "other")
_CENT: Final = Decimal("0.01")
_UNEVEN: Final = frozenset({Item.IMBALANCE, Item.DEVIATION})
_SOLD: Final = frozenset({Item.ENERGY, Item.CAPACITY})


@dataclass(frozen=True, slots=True)
class Offer:
    """One interval of a bid: what was meant, and what came of it.

    Attributes:
        hours: length.
        planned_mw: what clears at the believed price; energy: discharge positive; held: positive.
        believed: price per MWh, or per MW and hour.
        awarded_mw: as planned_mw.
        price: of the award.
    """

    hours: Fraction
    planned_mw: Decimal
    believed: Decimal
    awarded_mw: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The steps in the order of `STEPS`; they add up to `actual` exactly."""

    currency: str
    steps: tuple[tuple[str, Decimal], ...]
    actual: Decimal

    def of(self, step: str) -> Decimal:
        """Return one step's money."""
        return dict(self.steps)[step]


Spans = Sequence[tuple[int, int]]
"""Beginning and end of each settled bid, UTC epoch ms; empty: the whole day."""


def waterfall(
    offers: Iterable[Offer], statement: Statement, *, gross: bool = False, traded: Spans = ()
) -> Waterfall:
    """Return the steps of a station's day in one market.

    Args:
        offers: every interval of its bids.
        statement: what was paid.
        gross: all metered energy is paid at one price (Australia), so the statement has no lines
            of awards and imbalance apart.
        traded: the time of its bids.
    """
    plan, price, quantity = Fraction(0), Fraction(0), Fraction(0)
    for one in offers:
        planned, awarded = (Fraction(mw) * one.hours for mw in (one.planned_mw, one.awarded_mw))
        plan += planned * Fraction(one.believed)
        price += awarded * (Fraction(one.price) - Fraction(one.believed))
        quantity += (awarded - planned) * Fraction(one.believed)
    outside = outside_of(statement, traded, gross=gross)
    imbalance = _sum(statement, _UNEVEN) - outside
    if gross:
        imbalance += _sum(statement, _SOLD) - _cents(plan + price + quantity)
    parts = [_cents(plan), _cents(price), _cents(quantity), imbalance, outside]
    parts.append(_sum(statement, frozenset({Item.FEE})))
    parts.append(statement.total - sum(parts, Decimal(0)))
    return Waterfall(statement.currency, tuple(zip(STEPS, parts, strict=True)), statement.total)


def outside_of(statement: Statement, traded: Spans, *, gross: bool = False) -> Decimal:
    """Return what was paid for energy in time that no settled bid covers, where none was awarded.

    Args:
        statement: of the day.
        traded: the time of its settled bids; empty: the whole day.
        gross: all metered energy is a line of energy, as in `waterfall`.
    """
    if not traded:
        return Decimal(0)
    items = _UNEVEN | {Item.ENERGY} if gross else _UNEVEN
    return sum(
        (
            one.amount
            for one in statement.lines
            if one.item in items
            and one.start_ms is not None
            and not any(begin <= one.start_ms < end for begin, end in traded)
        ),
        Decimal(0),
    )


def add_up(waterfalls: Iterable[Waterfall], currency: str) -> Waterfall:
    """Return the steps of several days and stations together.

    Raises:
        MixedCurrencies: one is in another currency.
    """
    sums, actual = dict.fromkeys(STEPS, Decimal(0)), Decimal(0)
    for one in waterfalls:
        if one.currency != currency:
            raise MixedCurrencies(f"{one.currency} cannot be added to {currency}: ask for one")
        for name, amount in one.steps:
            sums[name] += amount
        actual += one.actual
    return Waterfall(currency, tuple(sums.items()), actual)


def _sum(statement: Statement, items: frozenset[Item]) -> Decimal:
    return sum((one.amount for one in statement.lines if one.item in items), Decimal(0))


def _cents(exact: Fraction) -> Decimal:
    value = Decimal(exact.numerator) / Decimal(exact.denominator)
    return value.quantize(_CENT, ROUND_HALF_UP)
