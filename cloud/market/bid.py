"""A bid in the market's neutral form: what is offered, when, at which price, and why.

Adapters of exchanges write it in their own formats; the life of bids keeps it whole. All
quantities are `Decimal`, so that what a trader approved is to the digit what is submitted.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Direction(StrEnum):
    """What a segment offers."""

    CHARGE = "charge"
    DISCHARGE = "discharge"
    UP = "up"  # reserve or regulation that raises what the grid gets
    DOWN = "down"
    BOTH = "both"  # symmetrical regulation


class OfferMode(StrEnum):
    """How much a bid leaves to the market; the Chinese terms are those of the spot rules."""

    QUANTITY_PRICE = "quantity_price"  # 报量报价
    QUANTITY_ONLY = "quantity_only"  # 报量不报价
    SELF_SCHEDULE = "self_schedule"  # 自调度


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of an interval's curve.

    Attributes:
        direction: what is offered.
        power_mw: so much more than the segments before, positive.
        price: per MWh of energy or per MW and hour of capacity; the least that a discharge or a
            reserve takes, the most that a charge pays; None: at any price.
        why: one sentence in English built from facts; what the price comes from.
        divisible: whether the market may take a part of it.
    """

    direction: Direction
    power_mw: Decimal
    price: Decimal | None
    why: str = ""
    divisible: bool = True


@dataclass(frozen=True, slots=True)
class Trapezium:
    """How much reserve a unit can give at which of its outputs, MW (discharge positive).

    Between `low_breakpoint` and `high_breakpoint` all of `max_mw`; falling to nothing at
    `enablement_min` and `enablement_max`. The shape is that of the Australian FCAS offers.
    """

    enablement_min: Decimal
    low_breakpoint: Decimal
    high_breakpoint: Decimal
    enablement_max: Decimal
    max_mw: Decimal


@dataclass(frozen=True, slots=True)
class BidInterval:
    """What is offered from `start_ms` (UTC epoch) on for one interval of the product.

    `trapezium` stands with reserves where the market asks for one, else None.
    """

    start_ms: int
    segments: tuple[Segment, ...]
    trapezium: Trapezium | None = None

    def power_mw(self, direction: Direction) -> Decimal:
        """Return the sum of the segments of a direction, MW."""
        return sum(
            (one.power_mw for one in self.segments if one.direction is direction), Decimal(0)
        )


@dataclass(frozen=True, slots=True)
class BidSet:
    """All that one station offers of one product for one delivery day (or part of it).

    Attributes:
        station: its id.
        market: id of the market's profile, as "cn-shandong".
        product: id of the product in that profile, as "day-ahead-energy".
        day: delivery day in the market's local time.
        interval_min: length of an interval, minutes.
        mode: how much is left to the market.
        intervals: in order of time, without doubles.
    """

    station: str
    market: str
    product: str
    day: dt.date
    interval_min: int
    mode: OfferMode
    intervals: tuple[BidInterval, ...]
