"""Every settlement of a bid: the first one, and those that revised statements and prices make.

The newest is the bid's paper; the others stay beside it. Its day is open until the market revises
its statement no more; a closed day is opened again by prices that are imported later.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.db import Pool, connection
from cloud.market.bids import rows
from cloud.market.bids.bid import Bid
from cloud.market.bids.content import Settlement, from_bytes, to_bytes
from cloud.vault.rows import RowPlace
from cloud.vault.vault import StationKeys, Vault

_OPEN: Final = """
INSERT INTO settled_days (station, market, day) VALUES (%s, %s, %s)
ON CONFLICT (station, market, day) DO UPDATE SET due_ms = 0, closed_ms = NULL
"""
_REOPEN: Final = """
UPDATE settled_days d SET due_ms = 0, closed_ms = NULL
WHERE d.closed_ms IS NOT NULL AND d.market = %s AND EXISTS (
    SELECT 1 FROM market_imports i JOIN market_series s ON s.key = i.series
    WHERE s.id = ANY(%s) AND i.made_in >= d.seen AND i.made_in >= %s::xid8
    AND i.first_ms < (extract(epoch FROM d.day) + 172800) * 1000
    AND i.last_ms >= (extract(epoch FROM d.day) - 86400) * 1000)
"""
"""The day of a market begins within a day of that of UTC: a look too many makes no version."""
_CORRECTED: Final = """
UPDATE settled_days d SET due_ms = 0, closed_ms = NULL
FROM unnest(%s::text[], %s::date[], %s::bigint[]) AS told(station, day, at_ms)
WHERE d.market = %s AND d.station = told.station AND d.day = told.day AND d.closed_ms < told.at_ms
"""
FROM_THE_FIRST: Final = "0"
"""Of the store's transactions."""


@dataclass(frozen=True, slots=True)
class SettledVersion:
    """A settlement, and when it was made, UTC epoch ms."""

    at_ms: int
    settlement: Settlement


async def open_day(conn: rows.Connection, bid: Bid) -> None:
    """Have a bid's day looked at until it is final."""
    await conn.execute(_OPEN, (bid.station, bid.market, bid.day))


async def any_day_due(pool: Pool, now_ms: int) -> bool:
    """Whether any day is to be looked at."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT 1 FROM settled_days WHERE due_ms <= %s LIMIT 1", [now_ms]
        )
        return await found.fetchone() is not None


async def reopen_days(pool: Pool, series: Mapping[str, Sequence[str]], since: str) -> str:
    """Open closed days again of which prices were imported after they were looked at last.

    Args:
        pool: the store.
        series: ids of the series that settlement takes, by market.
        since: imports of earlier transactions were looked at; `FROM_THE_FIRST` at first.

    Returns:
        Since when to look the next time.
    """
    async with connection(pool) as conn:
        found = await conn.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
        row = await found.fetchone()
        for market, names in series.items():
            if names:
                await conn.execute(_REOPEN, (market, list(names), since))
    return since if row is None else str(row[0])


async def reopen_corrected(
    pool: Pool, market: str, statements: Sequence[tuple[str, dt.date, int]]
) -> int:
    """Open closed days again whose statement came later than they were closed.

    Args:
        pool: the store.
        market: of the statements.
        statements: of each its station, its day, and when it came, UTC epoch ms.

    Returns:
        How many days were opened.
    """
    if not statements:
        return 0
    stations, days, times = zip(*statements, strict=True)
    given = list(stations), list(days), list(times), market
    async with connection(pool) as conn:
        return (await conn.execute(_CORRECTED, given)).rowcount


async def put_settlement(
    conn: rows.Connection,
    keys: StationKeys,
    bid: str,
    version: int,
    settled: Settlement,
    *,
    at_ms: int,
) -> None:
    """Keep a settlement of a bid, as its newest; the caller holds the bid's lock."""
    await rows.put_paper(conn, keys, bid, version, settled, at_ms=at_ms)
    sealed = keys.seal(_place(bid, settled.number), to_bytes(settled))
    await conn.execute(
        "INSERT INTO bid_settlements (bid, number, final, at_ms, sealed)"
        " VALUES (%s, %s, %s, %s, %b)",
        (bid, settled.number, settled.final, at_ms, sealed),
    )
    if settled.differs:
        await conn.execute(
            "INSERT INTO bid_differences (bid, at_ms) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (bid, at_ms),
        )
    else:
        await conn.execute("DELETE FROM bid_differences WHERE bid = %s", [bid])


async def settlements_of(pool: Pool, vault: Vault, bid: Bid) -> tuple[SettledVersion, ...]:
    """Return every settlement of a bid, the first one first."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT number, at_ms, sealed FROM bid_settlements WHERE bid = %s ORDER BY number",
            [bid.id],
            binary=True,
        )
        there = await found.fetchall()
    keys = await vault.keys(bid.station)
    return tuple(
        SettledVersion(at_ms, from_bytes(Settlement, keys.open(_place(bid.id, number), sealed)))
        for number, at_ms, sealed in there
    )


def _place(bid: str, number: int) -> RowPlace:
    return RowPlace("bid_settlements", (bid, str(number)))
