"""News between processes: PostgreSQL NOTIFY, heard by one connection of each worker.

A bell says only "look again"; what is true is always read from the tables. When the connection
breaks, all bells ring once it is back, so that nothing is missed for longer than that.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator

import psycopg

_log = logging.getLogger(__name__)
CHANNELS = ("live", "events", "orders", "receipts")
_RECONNECT_S = 0.5


class News:
    """Bells of one worker, by channel and station."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.closed = False
        self._bells: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)

    @contextlib.contextmanager
    def watch(self, channel: str, station: str) -> Iterator[asyncio.Event]:
        """Lend a bell that rings (is set) when there is news; the caller clears it."""
        bell = asyncio.Event()
        key = (channel, station)
        self._bells[key].add(bell)
        try:
            yield bell
        finally:
            self._bells[key].discard(bell)
            if not self._bells[key]:
                del self._bells[key]

    def close(self) -> None:
        """Tell everybody who waits that this worker is leaving."""
        self.closed = True
        self._ring_all()

    async def run(self) -> None:
        """Hear news until cancelled; connect again for ever."""
        heard = True
        while True:
            try:
                await self._hear()
            except (psycopg.Error, OSError) as error:
                if heard:
                    _log.warning("news interrupted reason=%s", type(error).__name__)
                heard = False
            else:
                heard = True
            await asyncio.sleep(_RECONNECT_S)

    async def _hear(self) -> None:
        conn = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=2)
        async with conn:
            for channel in CHANNELS:
                await conn.execute(f"LISTEN {channel}".encode())
            self._ring_all()
            async for notify in conn.notifies():
                for bell in self._bells.get((notify.channel, notify.payload), ()):
                    bell.set()

    def _ring_all(self) -> None:
        for bells in self._bells.values():
            for bell in bells:
                bell.set()
