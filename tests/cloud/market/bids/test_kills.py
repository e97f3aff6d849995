"""Kill -9 of the worker at every place of a bid's life: one submission, and the right end.

The worker runs in a process of its own before the real store and reaches the exchange over real
HTTP; at the named place it sends itself SIGKILL, which nothing in it can notice. A worker in
another process, the test's own, goes on. What was submitted is counted at the exchange, what was
ordered in the store.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from cloud.db import create_pool
from cloud.keys import open_keys
from cloud.market import bids
from cloud.market.bids import Bid, Cleared, Exchange, NewBid, Scheduled, Times, Worker
from cloud.market.exchanges import ExchangeClient, Party, Patience, load_market
from cloud.market.exchanges.port import MarketExchange
from cloud.trading import order_schedules
from cloud.vault.vault import Vault
from tests.cloud.market.bids.trade_hall import (
    BEGIN_MS,
    GATE_MS,
    HOUR_MS,
    NOON_MS,
    HallExchange,
    SimpleDesk,
    content,
)
from tests.cloud.market.exchanges.bids import DISCHARGE, bid, segment
from tests.cloud.stations import create_station
from tests.exchange_market import running_exchange, write_config

OFFER = bid([segment(DISCHARGE, "6", "40")], market="test-exchange", intervals=4)
OFFER_GATE_MS = OFFER.intervals[0].start_ms - 1_800_000

PLACES = (
    *("judged", "after JUDGE", "after APPROVE"),
    *("judged again", "written, not committed", "after SUBMIT"),
    *("trying", "answered", "answer kept", "after HAND"),
    *("told the clearing", "after CLEAR"),
    *("ordered", "after SCHEDULE"),
    *("measured", "after MEASURE"),
    *("told the statement", "after SETTLE", "after END"),
)
HOURS = (0, 0.01, 8, 8.01, 48, 48.01)
"""When the worker looks, in hours after noon: before the gate, after it, after delivery."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


class OrderingDesk(SimpleDesk):
    """Orders as the cloud does: signed, numbered, in the store."""

    async def schedule(self, bid: Bid, results: list[Cleared], now_ms: int) -> Scheduled:  # type: ignore[override]
        return await order_schedules(self.pool, self.vault, self.keys, bid, results, now_ms=now_ms)


def work(
    dsn: str,
    keys_dir: Path,
    url: str,
    kill_at: str | None,
    *,
    hours: tuple[float, ...] = HOURS,
    seen: list[str] | None = None,
) -> None:
    """Live through a bid's life as the jobs process does; entry point of a process."""

    def point(place: str) -> None:
        if seen is not None:
            seen.append(place)
        if place == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(_work(dsn, keys_dir, url, point, hours))


async def _work(dsn, keys_dir, url, point, times) -> None:
    pool = create_pool(dsn, size=8, timeout_s=5.0)
    await pool.open()
    await _live(pool, keys_dir, url, point, times)
    await pool.close()


async def _resume(pool, keys_dir, url, times=HOURS) -> None:
    """Go on once the server has noticed that the killed process is gone."""
    async with pool.connection() as conn:
        await conn.execute("SELECT bid FROM bid_turns FOR UPDATE")
    await _live(pool, keys_dir, url, lambda _: None, times)


async def _live(pool, keys_dir, url, point, times) -> None:
    keys = open_keys(keys_dir)
    vault, desk, clock = Vault(pool, keys), OrderingDesk(), [NOON_MS]
    desk.pool, desk.vault, desk.keys = pool, vault, keys
    worker = Worker(
        *(pool, vault),
        exchanges=_exchanges(url, lambda: clock[0]),
        desk=desk,
        clock=lambda: clock[0],
        times=Times(ask_again_ms=1_000),
        point=point,
    )
    for hours in times:
        clock[0] = NOON_MS + round(hours * HOUR_MS)
        await worker.run()


def _exchanges(where: str, clock: Callable[[], int]) -> dict[str, Exchange]:
    """The small hall by its address; the test exchange by its address and its token's file."""
    if " " not in where:
        return {"test": HallExchange(where)}
    address, token_file = where.split(" ")
    client = ExchangeClient(address, Path(token_file), Patience(10, 1, 0))
    market = load_market("test-exchange")
    return {market.id: MarketExchange(client, market, Party("desk", "s1"), clock)}


@pytest.fixture
def life(floor, dsn, tmp_path):
    return dsn, tmp_path / "keys", floor.url


def lived(dsn, keys_dir, url, kill_at, hours=HOURS) -> int | None:
    given = {"dsn": dsn, "keys_dir": keys_dir, "url": url, "kill_at": kill_at, "hours": hours}
    process = FORKS.Process(target=work, kwargs=given)
    process.start()
    process.join(60)
    return process.exitcode


async def test_the_places_are_all_there_are(floor, life):
    await floor.draft("5")
    seen: list[str] = []

    await asyncio.to_thread(work, *life, None, seen=seen)

    assert tuple(seen) == PLACES
    assert (GATE_MS - NOON_MS, BEGIN_MS - NOON_MS) == (8 * HOUR_MS, 23 * HOUR_MS)


async def test_a_worker_killed_anywhere_submits_once_and_orders_once(floor, life, dsn):
    for number, place in enumerate(PLACES, 1):
        bid = await floor.draft("0.5", product=f"product-{number}")

        killed = await asyncio.to_thread(lived, *life, place)
        await _resume(floor.pool, *life[1:])

        assert killed == -signal.SIGKILL, place
        assert floor.book.sent[f"{bid}-1"] == 1, place
        assert len(floor.book.sent) == number, place
        assert await floor.states(bid) == ["settled"], place
        log = [str(step.after) for step in await floor.log(bid)]
        assert log == sorted(set(log), key=log.index), place
    with psycopg.connect(dsn) as conn:
        orders = conn.execute("SELECT counter, created_by FROM orders ORDER BY 1").fetchall()
        answers = conn.execute("SELECT DISTINCT answer, tries FROM bid_outbox").fetchall()
        turns = conn.execute("SELECT count(*) FROM bid_turns").fetchone()
    # Each bid adds its power to the day's plan, so each makes one order.
    assert orders == [(number, "market desk") for number in range(1, len(PLACES) + 1)]
    assert sorted(answers) == [("accepted", 1), ("accepted", 2)]
    assert turns == (0,)


async def test_at_the_test_exchange_too_a_killed_worker_submits_once(floor, dsn, tmp_path):
    places = ("written, not committed", "trying", "answered", "answer kept")
    with running_exchange(write_config(tmp_path)) as exchange:
        life = dsn, tmp_path / "keys", f"{exchange.address} {exchange.token_file}"
        names = []
        for number, place in enumerate(places):
            station = f"s{number}"
            await create_station(floor.pool, station)
            paper = replace(content(), bid_set=replace(OFFER, station=station))
            new = NewBid("east", OFFER_GATE_MS, paper)
            names.append(
                await bids.draft(floor.pool, floor.vault, new, who="ann", why="", now_ms=NOON_MS)
            )
            killed = await asyncio.to_thread(lived, *life, place, HOURS[:2])
            await _resume(floor.pool, *life[1:], times=HOURS[:2])

            assert killed == -signal.SIGKILL, place
            assert await floor.states(names[-1]) == ["accepted"], place
        taken, outcomes = exchange.taken(), exchange.outcomes()

    assert len(taken) == len(places)
    assert outcomes == ["accepted"] * len(places)


async def test_a_worker_killed_while_it_amends_leaves_the_new_version_standing_once(floor, life):
    for number, place in enumerate(("judged again", "trying", "answered", "answer kept"), 1):
        bid = await floor.draft("0.5", product=f"product-{number}")
        await floor.run()
        await floor.edit(bid, "0.25")

        killed = await asyncio.to_thread(lived, *life, place, HOURS[:2])
        await _resume(floor.pool, *life[1:], times=HOURS[:2])

        assert killed == -signal.SIGKILL, place
        assert floor.book.sent[f"{bid}-2"] == 1, place
        assert await floor.states(bid) == ["amended", "accepted"], place
        assert [key for key in floor.book.standing() if bid in key] == [f"{bid}-2"], place


async def test_two_workers_at_once_submit_each_bid_once(floor, life):
    names = [await floor.draft("0.5", product=f"product-{number}") for number in range(8)]

    both = await asyncio.gather(
        *(asyncio.to_thread(lived, *life, None, HOURS[:2]) for _ in range(2))
    )

    assert both == [0, 0]
    assert floor.book.sent == {f"{bid}-1": 1 for bid in names}
    assert {(await floor.states(bid))[0] for bid in names} == {"accepted"}
