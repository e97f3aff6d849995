"""Every settlement of a bid: the first one, and those that revised statements and prices make.

The newest is the bid's paper; the others stay beside it. Its day is open until the market revises
its statement no more.
"""

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


@dataclass(frozen=True, slots=True)
class SettledVersion:
    """A settlement, and when it was made, UTC epoch ms."""

    at_ms: int
    settlement: Settlement


async def open_day(conn: rows.Connection, bid: Bid) -> None:
    """Have a bid's day looked at until it is final."""
    await conn.execute(_OPEN, (bid.station, bid.market, bid.day))


async def any_day_open(pool: Pool) -> bool:
    """Whether any day may be settled again."""
    async with connection(pool) as conn:
        found = await conn.execute("SELECT 1 FROM settled_days WHERE closed_ms IS NULL LIMIT 1")
        return await found.fetchone() is not None


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
