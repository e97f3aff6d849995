"""A market's exchange as the life of bids sees it: in the market's own format.

Not a part of the room's face, so that who only reads rules does not load the life of bids: the
jobs name it as `cloud.market.exchanges.port`.
"""

import datetime as dt
from collections.abc import Callable
from typing import Protocol

from cloud.market.bid import BidSet
from cloud.market.bids import exchange as port
from cloud.market.errors import BadDocument
from cloud.market.exchanges import outcomes
from cloud.market.exchanges.answers import Clearing
from cloud.market.exchanges.formats import write
from cloud.market.exchanges.formats.text import utc_text
from cloud.market.exchanges.market import Market
from cloud.market.exchanges.outcomes import Denied, Outcome, Pending, Unclear
from cloud.market.exchanges.sending import Document, Party, Rebid, Sending


class Line(Protocol):
    """How an exchange is reached: `ExchangeClient` over HTTP, `FileDrop` by files."""

    async def submit(self, market: str, document: Document, sending: Sending) -> Outcome:
        """Submit under the sending's key."""
        ...

    async def state(self, key: str) -> Outcome:
        """Return what the exchange knows under a key."""
        ...

    async def withdraw(self, key: str) -> Outcome:
        """Take a submission back."""
        ...

    async def clearing(self, key: str) -> Clearing | Pending | Denied | Unclear:
        """Return what a submission has got."""
        ...

    async def statement_body(
        self, market: str, station: str, day: dt.date
    ) -> bytes | Pending | Denied | Unclear:
        """Return a day's statement as the exchange gave it."""
        ...


class MarketExchange:
    """One market's exchange, as one participant reaches it (`cloud.market.bids.Exchange`).

    Args:
        line: how it is reached.
        market: its rules.
        party: as whom.
        now_ms: the clock, UTC epoch ms.
    """

    def __init__(
        self,
        line: Line,
        market: Market,
        party: Party,
        now_ms: Callable[[], int],
    ) -> None:
        self._line, self._market, self._party = line, market, party
        self._now_ms = now_ms

    async def submit(
        self, bid: BidSet, key: str, *, replaces: port.Replaced | None = None
    ) -> port.Accepted | port.Rejected | port.Unclear:
        """Hand in a bid under `key`; with `replaces`, in place of an earlier one."""
        rebid = None if replaces is None else _rebid(replaces)
        sending = Sending(key, self._now_ms(), "" if replaces is None else replaces.key, rebid)
        known = await self._line.state(key)
        if not isinstance(known, outcomes.NotThere):
            return _stands(known)
        try:
            document = write([bid], self._market, self._party, sending)
        except BadDocument as error:
            return port.Rejected((f"cannot be written for {self._market.id}: {error}",))
        return _stands(await self._line.submit(self._market.id, document, sending))

    async def withdraw(
        self, bid: BidSet, key: str
    ) -> port.Withdrawn | port.Rejected | port.Unclear:
        """Take back the bid of this key."""
        del bid
        match _told(await self._line.withdraw(key)):
            case port.Withdrawn() | port.Rejected() | port.Unclear() as told:
                return told
            case port.Unknown():
                return port.Rejected(("the exchange does not know it",))
            case port.Accepted(reference):
                return port.Unclear(f"asked to withdraw {reference}, it says that it stands")

    async def state(
        self, bid: BidSet, key: str
    ) -> port.Accepted | port.Rejected | port.Withdrawn | port.Unknown | port.Unclear:
        """Return what the exchange knows of this key."""
        del bid
        return _told(await self._line.state(key))

    async def clearing(self, bid: BidSet, key: str) -> port.Cleared | port.NotYet | port.Unclear:
        """Return the market's result for the bid of this key, once all of it is cleared."""
        match await self._line.clearing(key):
            case outcomes.Pending():
                return port.NotYet()
            case outcomes.Denied(why) | outcomes.Unclear(why):
                return port.Unclear(why)
            case clearing if not clearing.complete:
                return port.NotYet()
            case clearing:
                awards = tuple(
                    port.Award(one.start_ms, one.direction, one.power_mw, one.price)
                    for one in clearing.awards
                    if one.product == bid.product
                )
                return port.Cleared(bid.interval_min, awards, self._market.currency)

    async def statement(
        self, station: str, product: str, day: dt.date
    ) -> port.Document | port.NotYet | port.Unclear:
        """Return the settlement statement of a delivery day; one for all products."""
        del product
        match await self._line.statement_body(self._market.id, station, day):
            case outcomes.Pending():
                return port.NotYet()
            case outcomes.Denied(why) | outcomes.Unclear(why):
                return port.Unclear(why)
            case body:
                return port.Document(f"{self._market.id}-{station}-{day}.csv", "text/csv", body)


def _rebid(replaces: port.Replaced) -> Rebid | None:
    """Return the reason of a change; when what it answers happened, its words say."""
    at = replaces.decided_ms
    return Rebid(replaces.reason, at, at, at) if replaces.reason else None


_Told = port.Accepted | port.Rejected | port.Withdrawn | port.Unknown | port.Unclear


def _told(outcome: Outcome) -> _Told:  # noqa: PLR0911 - one a kind of outcome
    match outcome:
        case outcomes.Accepted(submission, at_ms):
            return port.Accepted(submission, at_ms)
        case outcomes.PartlyAccepted(submission, at_ms, refused):
            return port.Accepted(submission, at_ms, tuple(map(_words, refused)))
        case outcomes.Rejected(reasons, _):
            return port.Rejected(tuple(map(_words, reasons)))
        case outcomes.Withdrawn(_, at_ms):
            return port.Withdrawn(at_ms)
        case outcomes.NotThere():
            return port.Unknown()
        case outcomes.Pending(submission):
            return port.Unclear(f"{submission} was received, but is not decided")
        case outcomes.Denied(why) | outcomes.Unclear(why):
            return port.Unclear(why)


def _stands(outcome: Outcome) -> port.Accepted | port.Rejected | port.Unclear:
    match _told(outcome):
        case port.Accepted() | port.Rejected() | port.Unclear() as told:
            return told
        case port.Withdrawn():
            return port.Rejected(("it was submitted before and has been withdrawn",))
        case port.Unknown():
            return port.Unclear("the exchange does not know it")


def _words(refused: outcomes.Refused) -> str:
    if refused.start_ms is None:
        return refused.text
    return f"{utc_text(refused.start_ms)}: {refused.text}"
