"""What the market has cleared for a station, with the bids that it was cleared for."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud.db import Pool, connection
from cloud.market.bid import BidSet
from cloud.market.bids import rows
from cloud.market.bids.bid import Bid
from cloud.market.bids.exchange import Cleared
from cloud.market.bids.states import OPEN, STANDING, WON, State
from cloud.market.errors import MarketError
from cloud.vault.vault import Vault

_THERE: Final = """
SELECT b.id::text, v.version, b.market, b.product FROM bids b JOIN bid_versions v ON v.bid = b.id
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


@dataclass(frozen=True, slots=True)
class Result:
    """What was cleared of a product, without the bid that it was cleared for."""

    market: str
    product: str
    cleared: Cleared


async def results_within(
    pool: Pool, vault: Vault, station: str, begin_ms: int, end_ms: int
) -> tuple[Result, ...]:
    """Return what is cleared for a station by bids that overlap a span of time.

    No offers are opened, which are large: their plans and forecasts lie with them.

    Raises:
        MarketError: a cleared bid has no result.
    """
    there = await _there(pool, {"station": station, "begin": begin_ms, "end": end_ms})
    papers = await rows.papers_of_many(pool, vault, [row[0] for row in there], [Cleared])
    return tuple(
        Result(market, product, _cleared(papers, name, number))
        for name, number, market, product in there
    )


async def pending_within(
    pool: Pool, vault: Vault, station: str, begin_ms: int, end_ms: int
) -> tuple[tuple[BidSet, ...], ...]:
    """Return for each bid that is not cleared the offers of which one may yet be.

    Of a station's bids that overlap a span of time.

    Raises:
        KeyStoreError: a version cannot be opened.
    """
    asked = {"station": station, "begin": begin_ms, "end": end_ms}
    there = await _there(pool, asked, OPEN | STANDING)
    names = list(dict.fromkeys(row[0] for row in there))
    numbers = {(row[0], row[1]) for row in there}
    return tuple(
        tuple(one.content.bid_set for one in bid.versions if (bid.id, one.number) in numbers)
        for bid in await rows.load_many(pool, vault, names)
    )


async def won_on(
    pool: Pool, vault: Vault, station: str, market: str, day: dt.date
) -> tuple[Won, ...]:
    """Return all that is cleared for a station's delivery day in one market.

    Raises:
        MarketError: a cleared bid has no result.
    """
    return await _won(pool, vault, {"station": station, "market": market, "day": day})


async def _won(pool: Pool, vault: Vault, asked: Mapping[str, Any]) -> tuple[Won, ...]:
    there = await _there(pool, asked)
    names = [row[0] for row in there]
    papers = await rows.papers_of_many(pool, vault, names, [Cleared])
    loaded = await rows.load_many(pool, vault, names)
    return tuple(
        Won(bid, number, _cleared(papers, name, number))
        for bid, (name, number, *_) in zip(loaded, there, strict=True)
    )


async def _there(pool: Pool, asked: Mapping[str, Any], states: frozenset[State] = WON) -> list[Any]:
    """Return id, version, market and product of what is won, or is so far."""
    given = dict.fromkeys(("begin", "end", "market", "day")) | dict(asked)
    async with connection(pool) as conn:
        found = await conn.execute(_THERE, given | {"states": sorted(states)})
        return await found.fetchall()


def _cleared(papers: Mapping[str, rows.Papers], name: str, number: int) -> Cleared:
    found = papers[name].get(number, {}).get(Cleared)
    if not isinstance(found, Cleared):
        raise MarketError(
            f"bid {name}: version {number} is cleared and has no result; restore the store from a"
            " backup"
        )
    return found
