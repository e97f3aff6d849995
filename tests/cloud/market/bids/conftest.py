"""A desk of one station before the store, with an exchange that can be made to stumble."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cloud.db import Pool
from cloud.keys import open_keys
from cloud.market import bids
from cloud.market.bids import Bid, NewBid, Step, Times, Worker
from cloud.vault.vault import Vault
from tests.cloud.market.bids.trade_hall import (
    GATE_MS,
    NOON_MS,
    Book,
    HallExchange,
    SimpleDesk,
    content,
    trade_hall,
)
from tests.cloud.stations import create_station

TIMES = Times(escalate_ms=3_600_000, fallback_ms=900_000, ask_again_ms=1_000)


@dataclass
class Floor:
    """Everything a test of a bid's life needs, and a clock that it turns."""

    pool: Pool
    vault: Vault
    url: str
    book: Book
    desk: SimpleDesk = field(default_factory=SimpleDesk)
    now_ms: int = NOON_MS

    def __post_init__(self) -> None:
        self.worker = Worker(
            self.pool,
            self.vault,
            exchanges={"test": HallExchange(self.url)},
            desk=self.desk,
            clock=lambda: self.now_ms,
            times=TIMES,
        )

    async def draft(
        self,
        power: str = "10",
        *,
        fallback: str | None = None,
        product: str = "day-ahead-energy",
    ) -> str:
        spare = None if fallback is None else content(fallback, product=product)
        new = NewBid("east", GATE_MS, content(power, product=product), spare)
        return await bids.draft(
            self.pool, self.vault, new, who="ann", why="tomorrow", now_ms=self.now_ms
        )

    async def run(self, now_ms: int | None = None) -> None:
        """Let the worker move all that is due, at a time."""
        if now_ms is not None:
            self.now_ms = now_ms
        await self.worker.run()

    async def load(self, bid: str) -> Bid:
        return await bids.load(self.pool, self.vault, bid)

    async def states(self, bid: str) -> list[str]:
        return [str(version.state) for version in (await self.load(bid)).versions]

    async def log(self, bid: str) -> list[Step]:
        return await bids.log_of(self.pool, self.vault, await self.load(bid))

    async def edit(self, bid: str, power: str, who: str = "ann") -> int:
        there = await self.load(bid)
        return await bids.edit(
            *(self.pool, self.vault, there, content(power, product=there.product)),
            who=who,
            why="a better price",
            now_ms=self.now_ms,
        )

    async def approve(
        self, bid: str, number: int, who: str = "bob", *, large: bool = False
    ) -> None:
        await bids.approve(
            *(self.pool, self.vault, await self.load(bid), number),
            who=who,
            why="",
            may_large=large,
            now_ms=self.now_ms,
        )

    async def withdraw(self, bid: str) -> None:
        await bids.withdraw(
            *(self.pool, self.vault, await self.load(bid)),
            who="ann",
            why="the station is out",
            now_ms=self.now_ms,
        )


@pytest.fixture
def hall() -> Iterator[tuple[str, Book]]:
    with trade_hall() as running:
        yield running


@pytest.fixture
async def floor(pool, tmp_path, hall) -> Floor:
    await create_station(pool, "haibin-1")
    async with pool.connection() as conn:
        await conn.execute("UPDATE stations SET rated_power_kw = 10000, capacity_kwh = 20000")
    return Floor(pool, Vault(pool, open_keys(tmp_path / "keys")), *hall)
