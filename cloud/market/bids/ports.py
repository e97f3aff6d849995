"""What the life of bids asks of other rooms; `cloud.jobs` brings them together."""

from collections.abc import Sequence
from typing import Protocol

from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import Delivery, Judgement, Scheduled, Settlement
from cloud.market.bids.exchange import Cleared, Document, NotYet


class Desk(Protocol):
    """Checks, risk, the station and settlement. Every method may be repeated."""

    async def judge(self, bid: Bid, version: Version, now_ms: int) -> Judgement:
        """Check a version by the market's rules and the desk's limits as they are now."""
        ...

    async def may_approve(self, who: str, station: str, *, large: bool) -> bool:
        """Whether a person may approve bids of a station now; large: above a trader's limits."""
        ...

    async def schedule(self, bid: Bid, results: Sequence[Cleared], now_ms: int) -> Scheduled:
        """Have the station work, in the bid's time, by all that is cleared for it then.

        Called again with the same results it sends nothing a second time.
        """
        ...

    async def measure(self, bid: Bid, cleared: Cleared, now_ms: int) -> Delivery | NotYet:
        """Return what the meter says of the bid's time."""
        ...

    async def settle(
        self, bid: Bid, cleared: Cleared, delivery: Delivery, statement: Document
    ) -> Settlement | NotYet:
        """Return what the bid came to by the market's rules."""
        ...
