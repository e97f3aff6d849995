"""What a store must do to stand in the table: take the record in, and answer six questions.

Every store holds the raw scaled integers of the frames (no store is asked to hold more than
frames hold) and hands out physical values, fetched and unpacked by a client in Python.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench._history_record import Answer, Record
from contract.frame import Frame
from contract.layout import Layout


class Absent(Exception):  # noqa: N818 - not an error: the store is left out with this word
    """The store cannot be had on this machine; the text says why, and what would bring it."""


class Store(Protocol):
    """One store, open. Times are epoch milliseconds, ranges [start, end)."""

    name: str
    """As the table shows it."""

    def load(self, record: Record) -> None:
        """Store the record; done when it is written as it will rest."""
        ...

    def bytes_per_value(self) -> tuple[float, float]:
        """Bytes on disk of a value at 1 s, and of a cell value at 10 s, with indexes."""
        ...

    def last_all(self) -> Answer:
        """Newest value of every point of the last batch: `_history_record.newest`."""
        ...

    def series(self, table: str, device: str, signal: str, span: tuple[int, int]) -> Answer:
        """`_history_record.series` of table "seconds" or "quarters"."""
        ...

    def buckets(self, device: str, signal: str, span: tuple[int, int]) -> Answer:
        """`_history_record.buckets` of table "seconds"."""
        ...

    def daily_energy(self, device: str, span: tuple[int, int]) -> Answer:
        """`_history_record.daily_energy` of table "quarters"."""
        ...

    def cells_at(self, at_ms: int) -> Answer:
        """`_history_record.cells_at` of the newest cells at or before a time."""
        ...


class Peer(Store, Protocol):
    """A store that is measured beside ours."""

    def ingest(self, batches: Sequence[Sequence[Frame]]) -> list[float]:
        """Store batches one by one; return the seconds from offer to commit of each.

        Encoding for the wire is done before, as stations do it.
        """
        ...


Opening = Callable[[], AbstractContextManager[Peer]]
"""Opens a peer; raises Absent where it cannot be had."""


def scales_of(layout: Layout) -> NDArray[np.float64]:
    """The scale of every value of a row, shape (width,)."""
    return np.repeat([c.signal.scale for c in layout.columns], [c.repeat for c in layout.columns])


def maps_of(rows: NDArray[np.float64]) -> Answer:
    """Voltages and temperatures, (racks, cells) each, of rows with first one, then the other."""
    volts, warm = np.split(rows, 2, axis=1)
    return volts, warm
