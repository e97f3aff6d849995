"""Whose turn it is on a line: one request at a time, commands before the questions that wait.

A Modbus server answers one request after another. A command must not stand behind the poll of
ten racks, so it takes the next turn; among equals the first come is the first served.
"""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator
from enum import IntEnum


class Urgency(IntEnum):
    """Who goes first; lower numbers do."""

    COMMAND = 0
    ROUTINE = 1
    POLL = 2


class Turn:
    """A lock that is handed to the most urgent of those who wait."""

    def __init__(self) -> None:
        """Start free."""
        self._taken = False
        self._arrived = 0
        self._waiting: list[tuple[Urgency, int, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def take(self, urgency: Urgency) -> AsyncIterator[None]:
        """Hold the line for the body of the ``with`` block."""
        if self._taken:
            await self._wait(urgency)
        self._taken = True
        try:
            yield
        finally:
            self._hand_on()

    async def _wait(self, urgency: Urgency) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived += 1
        heapq.heappush(self._waiting, (urgency, self._arrived, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._hand_on()  # the turn came together with the cancellation
            raise

    def _hand_on(self) -> None:
        """Give the turn to the next who still waits; it stays taken meanwhile."""
        while self._waiting:
            _, _, mine = heapq.heappop(self._waiting)
            if not mine.done():
                mine.set_result(None)
                return
        self._taken = False
