"""The port to an exchange: what the life of a bid asks of it, and every answer it may get.

`cloud.market.exchanges` gives one adapter per market. Every request carries the bid's own key, made
and written down before the first try: an exchange that has seen a key answers a repeated request
as it did the first time. Whether an answer was lost under way can never be known from here, so an
adapter answers `Unclear` instead of raising whenever a request may have arrived: a time-out, a
line that broke, an answer that cannot be read, a server error. The life of the bid then asks
`state` before it tries again.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from cloud.market.bid import BidSet, Direction


@dataclass(frozen=True, slots=True)
class Accepted:
    """The exchange has the bid and it stands; `reference` is the exchange's own name for it.

    `refused` says, in the exchange's words, which intervals it did not take; mostly empty.
    """

    reference: str
    at_ms: int
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange has refused the bid and it does not stand; reasons in the exchange's words."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The bid stood and was taken back, or another one has replaced it."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """The exchange has never seen this key."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """No answer that says anything; the request may or may not have had its effect."""

    why: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """There is no result yet; ask later."""


@dataclass(frozen=True, slots=True)
class Award:
    """What was cleared of one interval.

    Attributes:
        start_ms: UTC epoch of the interval's beginning.
        direction: what was cleared.
        power_mw: positive; zero where nothing was.
        price: what is paid per MWh (or per MW and hour); None where the market says it later.
    """

    start_ms: int
    direction: Direction
    power_mw: Decimal
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Cleared:
    """The market's result for one bid; an interval without award was not cleared."""

    interval_min: int
    awards: tuple[Award, ...]
    currency: str


@dataclass(frozen=True, slots=True)
class Document:
    """A settlement statement as the exchange gave it; the settlement room reads it."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Replaced:
    """The bid that another one takes the place of, and why.

    Attributes:
        key: under which the exchange has it.
        reason: in the words of whoever changed it; some markets ask for one.
        decided_ms: when it was changed.
    """

    key: str
    reason: str = ""
    decided_ms: int = 0


class Exchange(Protocol):
    """One market's exchange, as one participant reaches it. Every method may be repeated."""

    async def submit(
        self, bid: BidSet, key: str, *, replaces: Replaced | None = None
    ) -> Accepted | Rejected | Unclear:
        """Hand in a bid under `key`; with `replaces`, in place of an earlier one.

        A replacement that is rejected leaves the earlier bid standing.
        """
        ...

    async def withdraw(self, bid: BidSet, key: str) -> Withdrawn | Rejected | Unclear:
        """Take back the bid of this key."""
        ...

    async def state(
        self, bid: BidSet, key: str
    ) -> Accepted | Rejected | Withdrawn | Unknown | Unclear:
        """What the exchange knows of this key."""
        ...

    async def clearing(self, bid: BidSet, key: str) -> Cleared | NotYet | Unclear:
        """The market's result for the bid of this key."""
        ...

    async def statement(
        self, station: str, product: str, day: dt.date
    ) -> Document | NotYet | Unclear:
        """The settlement statement of a delivery day."""
        ...
