"""Making lines of a statement from exact quantities."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from cloud.market.award import Award
from cloud.market.exchanges import Kind, Market, Product
from cloud.market.settlement.money import Rounding, as_decimal
from cloud.market.settlement.record import DayRecord, Reading
from cloud.market.statement import Item, Line
from cloud.market.units import HOUR_MIN, HOUR_MS, MINUTE_MS


def hours(quantity: Decimal, minutes: int) -> Fraction:
    """Return power times time, exactly: MW and minutes to MWh (or MW·h)."""
    return Fraction(quantity) * minutes / HOUR_MIN


def line(
    start_ms: int,
    what: tuple[Item, str, str],
    quantity: Fraction,
    price: Decimal,
    rounding: Rounding,
) -> Line:
    """Return a line of item, detail and unit; its amount is quantity times price, rounded once."""
    item, detail, unit = what
    amount = rounding.line(quantity * Fraction(price))
    return Line(start_ms, item, detail, as_decimal(quantity), unit, price, amount)


def is_activation(product: Product) -> bool:
    """Return whether a reserve is paid for energy that was called, not for being kept."""
    return product.kind is Kind.RESERVE and product.price_unit.endswith("/MWh")


def capacity_lines(record: DayRecord, market: Market, rounding: Rounding) -> list[Line]:
    """Return what was paid for keeping ready: MW x hours x price of each award."""
    found = []
    for one in record.awards:
        product = market.product(one.product)
        kept = product.kind in {Kind.RESERVE, Kind.REGULATION} and not is_activation(product)
        if kept:
            quantity = hours(one.power_mw, one.minutes)
            what = (Item.CAPACITY, one.product, "MW.h")
            found.append(line(one.start_ms, what, quantity, one.price, rounding))
    return found


def sold(awards: Iterable[Award], reading: Reading) -> list[tuple[Award, int, Fraction]]:
    """Return the awards within a reading: award, where its part begins (UTC ms), its MWh."""
    end = reading.start_ms + reading.minutes * MINUTE_MS
    found = []
    for one in awards:
        begins = max(one.start_ms, reading.start_ms)
        within_ms = min(one.start_ms + one.minutes * MINUTE_MS, end) - begins
        if within_ms > 0:
            found.append((one, begins, Fraction(_signed(one)) * within_ms / HOUR_MS))
    return found


def _signed(award: Award) -> Decimal:
    return -award.power_mw if award.direction.value in {"charge", "down"} else award.power_mw
