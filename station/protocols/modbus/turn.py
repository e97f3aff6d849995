"""Whose turn it is on a line: commands go before the questions that wait.

A Modbus server answers one request after another. A command must not stand behind the poll of
ten racks, so it takes the next turn; among equals the first come is the first served. Who has
several questions asks them one after another, and is passed between two of them.
"""

import heapq
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Urgency(IntEnum):
    """Who goes first; lower numbers do."""

    COMMAND = 0
    ROUTINE = 1
    POLL = 2


class Turns(Generic[T]):
    """Those who wait, the most urgent first."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._arrived = 0
        self._waiting: list[tuple[Urgency, int, T]] = []

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, urgency: Urgency, who: T) -> None:
        """Wait, behind all that are as urgent or more."""
        self._arrived += 1
        heapq.heappush(self._waiting, (urgency, self._arrived, who))

    def first(self) -> T:
        """Return whose turn it is; there must be somebody."""
        return self._waiting[0][2]

    def leave(self) -> T:
        """Take the one whose turn it is out; there must be somebody."""
        return heapq.heappop(self._waiting)[2]
