"""New keys without rewriting history.

A new data key of a station seals what comes; older ones go on opening what they sealed. A new
key-encryption generation wraps all data keys anew, in one transaction. A generation is on the
disk (or in the token) before any row is wrapped by it, and is removed only when no row names it
and every row has been opened by those that stay; so a kill at any moment leaves every body
readable, and the same call again finishes the work.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection

from cloud.db.pool import Pool, connection
from cloud.errors import NotFound
from cloud.key_encryption import KeyRing
from cloud.vault import key_table
from cloud.vault.key_table import WrappedKey

MOST_SEALS: Final = 1 << 31
"""A key is replaced at half the number that NIST SP 800-38D allows with random nonces."""


@dataclass(frozen=True)
class DataKey:
    """The newest data key of a station; `key_id` counts from 1."""

    station: str
    key_id: int


@dataclass(frozen=True)
class Standing:
    """Which generations there are and how many data keys each has wrapped, oldest first."""

    newest: int | None
    keys: dict[int, int]

    @property
    def retirable(self) -> list[int]:
        """Generations that no data key needs."""
        return [one for one, count in self.keys.items() if not count and one != self.newest]


async def stations_with_keys(pool: Pool) -> list[str]:
    """Return the stations that have a data key, by name."""
    async with connection(pool) as conn:
        cursor = await conn.execute("SELECT DISTINCT station FROM station_keys ORDER BY 1")
        return [row[0] for row in await cursor.fetchall()]


async def worn_stations(pool: Pool, most_seals: int = MOST_SEALS) -> list[str]:
    """Return the stations whose newest key has sealed at least `most_seals` bodies."""
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "SELECT station FROM station_keys AS newest WHERE seals >= %s AND NOT EXISTS (SELECT 1"
            " FROM station_keys WHERE station = newest.station AND key_id > newest.key_id)"
            " ORDER BY station",
            [most_seals],
        )
        return [row[0] for row in await cursor.fetchall()]


async def rotate_data_key(pool: Pool, ring: KeyRing, station: str) -> DataKey:
    """Give a station a new data key.

    Raises:
        NotFound: there is no such station.
        KeyStoreError: the key cannot be wrapped; nothing has changed.
    """
    async with connection(pool) as conn, conn.transaction():
        found = await conn.execute("SELECT 1 FROM stations WHERE id = %s", [station])
        if await found.fetchone() is None:
            raise NotFound(f"no station has the id {station!r}")
        await key_table.lock(conn)
        key_id = max((row.key_id for row in await key_table.rows_of(conn, station)), default=0) + 1
        row = await asyncio.to_thread(key_table.wrap_new, ring, station, key_id)
        await key_table.insert(conn, row)
    return DataKey(station, key_id)


async def rotate_key_encryption(pool: Pool, ring: KeyRing) -> int:
    """Wrap all data keys by a new generation; return how many were wrapped anew.

    What an interrupted call, or a move to a token, has left behind is finished first: a further
    generation is made only when the newest one wraps everything.

    Raises:
        KeyStoreError: a key does not open, or the new generation cannot be made; every data key
            is wrapped as before.
    """
    async with connection(pool) as conn, conn.transaction():
        await key_table.lock(conn)
        rows = await key_table.all_rows(conn)
        anew = await asyncio.to_thread(_rewrap_all, ring, rows)
        await key_table.replace(conn, anew)
    return len(anew)


async def standing(pool: Pool, ring: KeyRing) -> Standing:
    """Return what the generations are used for."""
    async with connection(pool) as conn:
        return await _standing(conn, ring)


async def retire(pool: Pool, ring: KeyRing) -> list[int]:
    """Destroy the generations that no data key needs; return them.

    Backups from before the last rotation of the key encryption cannot be opened any more.

    Raises:
        KeyStoreError: some data key does not open; nothing was destroyed.
    """
    async with connection(pool) as conn, conn.transaction():
        await key_table.lock(conn)
        found = await _standing(conn, ring)
        for row in await key_table.all_rows(conn):
            await asyncio.to_thread(key_table.unwrap, ring, row)
        for generation in found.retirable:
            await asyncio.to_thread(ring.remove, generation)
    return found.retirable


def _rewrap_all(ring: KeyRing, rows: Sequence[WrappedKey]) -> list[WrappedKey]:
    newest = ring.newest()
    if newest is None or all(row.generation == newest for row in rows):
        newest = ring.make()
    behind = [row for row in rows if row.generation != newest]
    return [key_table.rewrap(ring, row, key_table.unwrap(ring, row), newest) for row in behind]


async def _standing(conn: AsyncConnection[Any], ring: KeyRing) -> Standing:
    rows = await key_table.all_rows(conn)
    newest, generations = await asyncio.to_thread(lambda: (ring.newest(), ring.generations()))
    named = {*generations, *(row.generation for row in rows)}
    counts = {one: sum(row.generation == one for row in rows) for one in sorted(named)}
    return Standing(newest, counts)
