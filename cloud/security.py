"""The book of refusals: who was turned away, when, from where, and why.

Writing is never in the way of refusing: entries wait in a bounded queue and one task writes
them. A flood fills the queue and is then counted, not stored.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from cloud.db.pool import Pool, connection
from cloud.errors import Unavailable

_log = logging.getLogger(__name__)
_QUEUE = 1_000
_RETRY_S = 1.0


@dataclass(frozen=True)
class SecurityEvent:
    """One refusal. `kind` is a short machine word, e.g. "conflict", "tampered"."""

    kind: str
    station: str | None = None
    source: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class SecurityLog:
    """Writes security events from any part of one worker."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queue: asyncio.Queue[SecurityEvent] = asyncio.Queue(_QUEUE)
        self.dropped = 0

    def note(
        self, kind: str, *, station: str | None = None, source: str = "", **detail: object
    ) -> None:
        """Log a refusal now and have it stored soon."""
        _log.warning(
            "refused kind=%s station=%s source=%s detail=%s", kind, station, source, detail
        )
        try:
            self._queue.put_nowait(SecurityEvent(kind, station, source, detail))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Store noted events until cancelled; what a dead database refuses is tried again."""
        while True:
            event = await self._queue.get()
            await self._store_surely(event)
            self._queue.task_done()

    async def flush(self) -> None:
        """Wait until everything noted so far is stored."""
        await self._queue.join()

    async def _store_surely(self, event: SecurityEvent) -> None:
        while not await self._store(event):  # noqa: ASYNC110 - a database tells no event
            await asyncio.sleep(_RETRY_S)

    async def _store(self, event: SecurityEvent) -> bool:
        try:
            async with connection(self._pool) as conn:
                await conn.execute(
                    "INSERT INTO security_events (kind, station, source, detail)"
                    " VALUES (%s, %s, %s, %s)",
                    [event.kind, event.station, event.source, Jsonb(event.detail)],
                )
        except Unavailable:
            return False
        except psycopg.Error as error:
            _log.error("security event not stored kind=%s reason=%s", event.kind, error)
        return True
