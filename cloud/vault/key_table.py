"""Table `station_keys`: the data keys of stations, each wrapped by a key-encryption generation.

Whoever adds, wraps anew or removes keys holds one lock of the database and asks for the
generations anew under it: so a key is never wrapped by a generation that is being removed.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection

from cloud.errors import KeyStoreError
from cloud.key_encryption import KeyRing, WrongKeyError

KEY_BYTES: Final = 32
_LOCK: Final = 0x5354_4B59

ROWS_OF_STATION: Final = (
    "SELECT key_id, generation, wrapped FROM station_keys WHERE station = %s ORDER BY key_id"
)


@dataclass(frozen=True)
class WrappedKey:
    """One row of the table."""

    station: str
    key_id: int
    generation: int
    wrapped: bytes

    @property
    def place(self) -> bytes:
        """Bytes that are authenticated with the wrapped key."""
        return f"{self.station}\0{self.key_id}".encode()


def unwrap(ring: KeyRing, row: WrappedKey) -> bytes:
    """Return a data key, 32 bytes.

    Raises:
        KeyStoreError: its generation is missing or is another key.
    """
    try:
        return ring.unwrap(row.generation, row.place, row.wrapped)
    except WrongKeyError as error:
        raise KeyStoreError(
            f"key {row.key_id} of station {row.station!r} does not open: {error}"
        ) from error


def wrap_new(ring: KeyRing, station: str, key_id: int) -> WrappedKey:
    """Make a data key and wrap it by the newest generation; the first one is made if need be."""
    generation = ring.newest() or ring.make()
    row = WrappedKey(station, key_id, generation, b"")
    return rewrap(ring, row, os.urandom(KEY_BYTES), generation)


def rewrap(ring: KeyRing, row: WrappedKey, key: bytes, generation: int) -> WrappedKey:
    """Return the row with its key wrapped by another generation."""
    wrapped = ring.wrap(generation, row.place, key)
    return WrappedKey(row.station, row.key_id, generation, wrapped)


async def lock(conn: AsyncConnection[Any]) -> None:
    """Wait until no other process changes keys; holds until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


async def rows_of(conn: AsyncConnection[Any], station: str) -> list[WrappedKey]:
    """Return the keys of a station, oldest first."""
    cursor = await conn.execute(ROWS_OF_STATION, [station], binary=True)
    return [WrappedKey(station, *row) for row in await cursor.fetchall()]


async def all_rows(conn: AsyncConnection[Any]) -> list[WrappedKey]:
    """Return the keys of all stations."""
    cursor = await conn.execute(
        "SELECT station, key_id, generation, wrapped FROM station_keys ORDER BY station, key_id",
        binary=True,
    )
    return [WrappedKey(*row) for row in await cursor.fetchall()]


async def insert(conn: AsyncConnection[Any], row: WrappedKey) -> None:
    """Add a key."""
    await conn.execute(
        "INSERT INTO station_keys (station, key_id, generation, wrapped) VALUES (%s, %s, %s, %b)",
        [row.station, row.key_id, row.generation, row.wrapped],
    )


async def replace(conn: AsyncConnection[Any], rows: Iterable[WrappedKey]) -> None:
    """Write keys that were wrapped anew."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "UPDATE station_keys SET generation = %s, wrapped = %b"
            " WHERE station = %s AND key_id = %s",
            [(row.generation, row.wrapped, row.station, row.key_id) for row in rows],
        )


async def count_seals(conn: AsyncConnection[Any], station: str, seals: Mapping[int, int]) -> None:
    """Add to the numbers of bodies that the keys of a station have sealed."""
    for key_id, count in seals.items():
        await conn.execute(
            "UPDATE station_keys SET seals = seals + %s WHERE station = %s AND key_id = %s",
            [count, station, key_id],
        )
