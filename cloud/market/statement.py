"""A settlement statement: what a market says that a station earned on a day, line by line."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Item(StrEnum):
    """What a line is for."""

    ENERGY = "energy"  # awards, or what was metered where all of it is sold at one price
    IMBALANCE = "imbalance"  # metered against the last schedule
    DEVIATION = "deviation"  # a charge on leaving the deviation band
    CONTRACT = "contract"  # difference to a contract's price
    CAPACITY = "capacity"  # kept ready
    MILEAGE = "mileage"  # regulation moved
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        start_ms: the interval's beginning, UTC epoch; None: the whole day.
        item: what for.
        detail: id or code of the product; may be empty.
        quantity: in `unit`, to the grid positive.
        unit: "MWh", "MW.h", "MW".
        price: in the statement's currency per unit.
        amount: what the station gets; negative: pays.
    """

    start_ms: int | None
    item: Item
    detail: str
    quantity: Decimal
    unit: str
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A day's statement; the amounts of its lines add up to `total`."""

    id: str
    market: str
    station: str
    day: dt.date
    currency: str
    lines: tuple[Line, ...]
    total: Decimal


def total_of(lines: tuple[Line, ...]) -> Decimal:
    """Return the sum of the lines' amounts."""
    return sum((line.amount for line in lines), Decimal(0))
