"""Orders as the exchange understands them, whatever format they came in."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal


class Unreadable(Exception):  # noqa: N818 - said to who sent it
    """A document cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """So much in one direction, for one interval, at a price or at any (None)."""

    station: str
    product: str
    day: dt.date
    start_ms: int
    side: str  # charge, discharge, up, down, both
    mw: Decimal
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Orders:
    """A document's orders, its own id if it has one, and the reason that it gives."""

    orders: tuple[Order, ...]
    own_id: str = ""
    reason: str = ""
