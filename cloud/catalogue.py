"""Layouts by their hash: the contract's own, and those that stations have sent."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cloud.db.pool import Pool, connection
from contract import layouts
from contract.errors import UnknownLayoutError
from contract.layouts import Layout

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class LayoutCatalogue:
    """Layouts known to one worker; the table `layouts` is what all workers know."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stored: set[bytes] = set()

    async def resolve(self, hash8: bytes) -> Layout:
        """Return the layout of a hash and make sure that the table has it.

        Raises:
            UnknownLayoutError: the station must send it.
        """
        try:
            layout = layouts.by_hash(hash8)
        except UnknownLayoutError:
            layout = await self._load(hash8)
        if hash8 not in self._stored:
            await self.store(layout)
        return layout

    async def store(self, layout: Layout) -> None:
        """Keep a layout for all workers and for ever."""
        async with connection(self._pool) as conn:
            await conn.execute(
                "INSERT INTO layouts (hash, name, body) VALUES (%b, %s, %s) ON CONFLICT DO NOTHING",
                [layout.hash8, layout.name, layout.to_json()],
            )
        layouts.register(layout)
        self._stored.add(layout.hash8)

    async def load_all(self) -> None:
        """Learn every stored layout, so that `contract.layouts.by_hash` knows them."""
        async with connection(self._pool) as conn:
            rows = await (await conn.execute("SELECT hash, body FROM layouts")).fetchall()
        for hash8, body in rows:
            layouts.register(Layout.from_json(body))
            self._stored.add(bytes(hash8))

    async def with_known(self, act: Callable[[], Awaitable[_T]]) -> _T:
        """Return `await act()`; where it meets a layout that another worker learnt, learn it too.

        Raises:
            UnknownLayoutError: no worker knows the layout.
        """
        try:
            return await act()
        except UnknownLayoutError:
            await self.load_all()
            return await act()

    async def _load(self, hash8: bytes) -> Layout:
        async with connection(self._pool) as conn:
            cursor = await conn.execute("SELECT body FROM layouts WHERE hash = %b", [hash8])
            row = await cursor.fetchone()
        if row is None:
            raise UnknownLayoutError(hash8)
        self._stored.add(hash8)
        return layouts.register(Layout.from_json(row[0]))
