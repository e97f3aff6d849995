"""What the market has cleared for a station, with the bids that it was cleared for."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud.db import Pool, connection
from cloud.market.bids import rows
from cloud.market.bids.bid import Bid
from cloud.market.bids.exchange import Cleared
from cloud.market.bids.states import WON
from cloud.market.errors import MarketError
from cloud.vault.vault import Vault

_WON: Final = """
SELECT b.id::text, v.version FROM bids b JOIN bid_versions v ON v.bid = b.id
WHERE b.station = %(station)s AND v.state = ANY(%(states)s)
AND (%(begin)s::bigint IS NULL OR b.end_ms > %(begin)s)
AND (%(end)s::bigint IS NULL OR b.begin_ms < %(end)s)
AND (%(market)s::text IS NULL OR b.market = %(market)s)
AND (%(day)s::date IS NULL OR b.day = %(day)s)
ORDER BY b.begin_ms, b.product, b.id
"""


@dataclass(frozen=True, slots=True)
class Won:
    """A bid, the number of its version that was cleared, and what it has got."""

    bid: Bid
    version: int
    cleared: Cleared


async def won_within(
    pool: Pool, vault: Vault, station: str, begin_ms: int, end_ms: int
) -> tuple[Won, ...]:
    """Return all that is cleared for a station by bids that overlap a span of time.

    Raises:
        MarketError: a cleared bid has no result.
    """
    return await _won(pool, vault, {"station": station, "begin": begin_ms, "end": end_ms})


async def won_on(
    pool: Pool, vault: Vault, station: str, market: str, day: dt.date
) -> tuple[Won, ...]:
    """Return all that is cleared for a station's delivery day in one market.

    Raises:
        MarketError: a cleared bid has no result.
    """
    return await _won(pool, vault, {"station": station, "market": market, "day": day})


async def _won(pool: Pool, vault: Vault, asked: Mapping[str, Any]) -> tuple[Won, ...]:
    given = dict.fromkeys(("begin", "end", "market", "day")) | dict(asked)
    async with connection(pool) as conn:
        found = await conn.execute(_WON, given | {"states": sorted(WON)})
        there = await found.fetchall()
    names = [name for name, _ in there]
    papers = await rows.papers_of_many(pool, vault, names, [Cleared])
    won = []
    for bid, (name, number) in zip(await rows.load_many(pool, vault, names), there, strict=True):
        cleared = papers[name].get(number, {}).get(Cleared)
        if cleared is None:
            raise MarketError(
                f"bid {name}: version {number} is {bid.of(number).state} and has no result; "
                "restore the store from a backup"
            )
        won.append(Won(bid, number, cleared))
    return tuple(won)
