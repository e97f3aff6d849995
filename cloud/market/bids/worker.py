"""The worker: moves every bid that is due, one step at a time, beside any number of others.

Whoever has locked a bid's row of `bid_turns` moves it; the lock lasts as long as the connection, so
a killed process lets go at once and the next one goes on from what was committed. An exchange that
is silent is left alone for the rest of a run, so that the bids of others do not wait for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from cloud.db import Pool, connection
from cloud.market.bids import rows
from cloud.market.bids.bid import Bid
from cloud.market.bids.content import Judgement
from cloud.market.bids.decide import Do, Times, Todo, Wait, decide
from cloud.market.bids.exchange import Exchange
from cloud.market.bids.handing import Later, Point, asked
from cloud.market.bids.ports import Desk
from cloud.market.bids.rows import Overtaken
from cloud.market.bids.states import State
from cloud.market.bids.steps import Steps, Tools
from cloud.vault.vault import Vault

_AT_ONCE: Final = 3
"""Bids that one process moves at once; each holds a connection and borrows a second."""
_LOOK_AGAIN_MS: Final = 60_000
"""After an error of the house (keys, configuration), which passes when somebody has mended it."""
_CLAIM: Final = """
SELECT t.bid::text, b.market, b.wakes FROM bid_turns t JOIN bids b ON b.id = t.bid
WHERE b.due_ms <= %s AND NOT b.market = ANY(%s) AND NOT t.bid = ANY(%s::uuid[])
ORDER BY b.due_ms, b.gate_ms, t.bid FOR UPDATE OF t SKIP LOCKED LIMIT 1
"""
_END: Final = """
WITH head AS (SELECT id FROM bids WHERE id = %(bid)s FOR UPDATE)
DELETE FROM bid_turns t USING head WHERE t.bid = head.id AND NOT EXISTS (
    SELECT 1 FROM bid_versions v WHERE v.bid = head.id AND v.state NOT IN
    ('rejected', 'amended', 'settled', 'withdrawn', 'lapsed'))
"""


def _nothing(_place: str) -> None:
    """No one is told where the worker is."""


class Worker:
    """Moves bids."""

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        *,
        exchanges: Mapping[str, Exchange],
        desk: Desk,
        clock: Callable[[], int],
        times: Times | None = None,
        point: Point = _nothing,
    ) -> None:
        """Make a worker.

        Args:
            pool: the store.
            vault: keys of stations.
            exchanges: by id of their market.
            desk: the other rooms.
            clock: the present, UTC epoch ms.
            times: of calls, fall-backs and questions.
            point: is told of every place where a crash would matter.
        """
        self._pool, self._vault, self._clock = pool, vault, clock
        self._times = times or Times()
        self._steps = Steps(Tools(pool, vault, exchanges, desk, self._times, point))

    async def run(self) -> int:
        """Move bids until none is due; return how many steps were done.

        Raises:
            Exception: the first error of a bid; the others have been moved all the same.
        """
        silent: set[str] = set()
        broken: dict[str, Exception] = {}

        async def some() -> int:
            done = 0
            while (moved := await self._turn(silent, broken)) is not None:
                done += moved
            return done

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(some()) for _ in range(_AT_ONCE)]
        for error in broken.values():
            raise error
        return sum(task.result() for task in tasks)

    async def _turn(self, silent: set[str], broken: dict[str, Exception]) -> bool | None:
        """Do one step of one bid that is due; None: none is."""
        async with connection(self._pool) as held, held.transaction():
            found = await held.execute(_CLAIM, (self._clock(), list(silent), list(broken)))
            row = await found.fetchone()
            if row is None:
                return None
            bid, market, wakes = row
            try:
                todo = await self._step(bid)
                if isinstance(todo, Wait):
                    await self._rest(bid, todo.until_ms, wakes)
                elif todo.what is Do.END:
                    await held.execute(_END, {"bid": bid})
                return isinstance(todo, Todo)
            except Later as error:
                if error.silent:
                    silent.add(market)
                await self._rest(bid, error.until_ms, wakes)
            except Overtaken:
                pass
            except Exception as error:  # noqa: BLE001 - one bid takes no other down; told after all
                broken[bid] = error
                await self._rest(bid, self._clock() + _LOOK_AGAIN_MS, wakes)
            return False

    async def _step(self, name: str) -> Todo | Wait:
        bid = await rows.load(self._pool, self._vault, name)
        waiting = await asked(self._pool, name) is not None
        now_ms, judged = self._clock(), await self._judged(bid)
        todo = decide(bid, judged, asked=waiting, now_ms=now_ms, times=self._times)
        if isinstance(todo, Todo):
            await self._steps.do(bid, todo, now_ms)
        return todo

    async def _judged(self, bid: Bid) -> dict[int, Judgement]:
        found = {}
        for version in bid.versions:
            if version.state is State.CHECKED:
                paper = await rows.paper_of(self._pool, self._vault, bid, version.number, Judgement)
                if paper is not None:
                    found[version.number] = paper
        return found

    async def _rest(self, bid: str, until_ms: int, wakes: int) -> None:
        """Look at a bid again at a time, unless somebody has woken it since it was taken."""
        async with connection(self._pool) as conn:
            await conn.execute(
                "UPDATE bids SET due_ms = %s WHERE id = %s AND wakes = %s", (until_ms, bid, wakes)
            )
