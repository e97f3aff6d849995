"""What a bid is judged by besides itself, as it is stored and configured."""

from typing import Final

from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.market import bids
from cloud.market.bids import Bid, State
from cloud.market.desk.judging import Context
from cloud.market.desk.limits import limits_of
from cloud.market.exchanges import Party, Role
from cloud.trading.exchanges import market_of, party_of
from cloud.vault.vault import Vault

_LIVE: Final = (
    *(State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED),
    *(State.CLEARED, State.SCHEDULED),
)


async def context_of(
    pool: Pool, vault: Vault, section: MarketSection, bid: Bid, now_ms: int
) -> Context:
    """Return what a bid is judged by as of now: rules, limits, the rest of the book.

    Raises:
        BadProfile: its market is not known.
    """
    limits = await limits_of(pool, bid.desk)
    parties = {one.market: party_of(one) for one in section.exchanges}
    roles = {(one.station, one.market): Role(one.role) for one in section.desks}
    return Context(
        market=market_of(bid.market),
        limits=limits,
        party=parties.get(bid.market, Party(bid.station, bid.station)),
        others_cvar=0.0 if limits.max_book_cvar is None else await _others_cvar(pool, vault, bid),
        now_ms=now_ms,
        role=roles.get((bid.station, bid.market), Role.INDEPENDENT),
        others=tuple(
            live.content.bid_set
            for other in await bids.beside(pool, vault, bid)
            if (live := other.newest(*_LIVE)) is not None
        ),
    )


async def _others_cvar(pool: Pool, vault: Vault, bid: Bid) -> float:
    """Return the sum of what the other bids of the desk and day were weighed at."""
    judged = await bids.others_judged(pool, vault, bid)
    worst = (max(one.figures.get("cvar", 0.0) for one in each) for each in judged.values())
    return sum(max(one, 0.0) for one in worst)
