"""A market beside the console: a day's bid as the desk drafts it, the test exchange, the worker."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.bid_job import BidJob
from cloud.config_market import ExchangeSection, MarketSection
from cloud.market import bids
from cloud.market.desk.limits import set_limits
from tests.cloud.desk_day import DESK, LIMITS, MARKET, held_bid, new_bid
from tests.cloud.web.console import STATION, Console
from tests.cloud.web.feeder import now_ms
from tests.exchange_market import TestExchange, running_exchange, write_config

_EVERY_S = 0.1


@contextmanager
def running_market(console: Console, folder: Path) -> Iterator[TestExchange]:
    """Run the test exchange, and the worker of bids in the console's loop."""
    with running_exchange(write_config(folder)) as exchange:
        stop = threading.Event()
        working = asyncio.run_coroutine_threadsafe(_work(console, exchange, stop), console.loop)
        try:
            yield exchange
        finally:
            stop.set()
            working.result(20)


async def _work(console: Console, exchange: TestExchange, stop: threading.Event) -> None:
    services = console.worker.services
    section = MarketSection(
        exchanges=(
            ExchangeSection(
                market=MARKET.id,
                url=exchange.address,
                participant="desk",
                token_file=exchange.token_file,
            ),
        )
    )
    rooms = services.pool, services.vault, services.keys, services.history
    job = BidJob(*rooms, section)
    while not stop.is_set():
        await job.work()
        await asyncio.sleep(_EVERY_S)


async def draft_day(console: Console, *, power: str = "2") -> str:
    """Set the desk's limits and draft a bid; return its id."""
    services = console.worker.services
    await set_limits(services.pool, DESK, LIMITS, who="zhou", why="the year's budget")
    return await bids.draft(
        *(services.pool, services.vault, new_bid(STATION, power=power)),
        who="drafting",
        why="drafted in time",
        now_ms=now_ms(),
    )


async def draft_held(console: Console) -> str:
    """Draft a bid of regulation; return its id."""
    services = console.worker.services
    return await bids.draft(
        *(services.pool, services.vault, held_bid(STATION)),
        who="drafting",
        why="drafted in time",
        now_ms=now_ms(),
    )
