"""Seals rows that an earlier version has stored in clear.

Migration 0003 has moved their content to tables `*_in_clear`. It is sealed from there in
transactions of some rows, each row together with its removal from that table; so a kill at any
moment loses nothing, and the next start goes on. An emptied table is dropped, its file with it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection

from cloud.db.pool import Pool, connection
from cloud.vault.rows import EventContent, order_place, receipt_place, seal_event
from cloud.vault.vault import StationKeys, Vault

_log = logging.getLogger(__name__)
_LOCK: Final = 0x5354_5345
_ROWS: Final = 2_000
"""Rows in one transaction."""


@dataclass(frozen=True)
class _Table:
    """A table whose rows were in clear.

    Attributes:
        key: primary key of the table, columns of `NAME_in_clear` too.
        content: further columns of `NAME_in_clear`.
        seal: makes column `sealed` of a row from its key and its content.
    """

    name: str
    key: tuple[str, ...]
    content: tuple[str, ...]
    seal: Callable[[StationKeys, Sequence[Any]], bytes]


def _event(keys: StationKeys, row: Sequence[Any]) -> bytes:
    station, event_id, *content = row
    return seal_event(keys, station, event_id, EventContent(*content))


def _order(keys: StationKeys, row: Sequence[Any]) -> bytes:
    order_id, body = row
    return keys.seal(order_place(order_id), body)


def _receipt(keys: StationKeys, row: Sequence[Any]) -> bytes:
    order_id, outcome, body = row
    return keys.seal(receipt_place(order_id, outcome), body)


_TABLES: Final = (
    _Table("events", ("station", "id"), ("text_en", "text_zh", "value", "limit_value"), _event),
    _Table("orders", ("id",), ("body",), _order),
    _Table("receipts", ("order_id", "outcome"), ("body",), _receipt),
)


async def seal_rows_in_clear(pool: Pool, vault: Vault) -> int:
    """Seal everything that is still in clear; return how many rows were sealed now.

    Raises:
        KeyStoreError: the keys of a station do not open; its rows stay as they are.
    """
    sealed = sum([await _seal_table(pool, vault, table) for table in _TABLES])
    if sealed:
        async with connection(pool) as conn:  # samples of the dropped columns are in it
            await conn.execute("VACUUM FULL pg_statistic")
    return sealed


async def _seal_table(pool: Pool, vault: Vault, table: _Table) -> int:
    async with connection(pool) as conn:
        if not await _is_left(conn, table):
            return 0
        found = await conn.execute(
            f"SELECT DISTINCT station FROM {table.name}_in_clear".encode()  # noqa: S608 - our own names
        )
        stations = [row[0] for row in await found.fetchall()]
    keys = {station: await vault.keys(station) for station in stations}
    sealed, more = 0, True
    while more:
        async with connection(pool) as conn, conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            more = await _is_left(conn, table)
            if more:
                sealed += await _seal_some(conn, table, keys)
    _log.info("rows sealed table=%s rows=%d", table.name, sealed)
    return sealed


async def _is_left(conn: AsyncConnection[Any], table: _Table) -> bool:
    # Not to_regclass: it may still answer from before another cloud has dropped the table.
    found = await conn.execute(
        "SELECT FROM pg_tables WHERE tablename = %s AND schemaname = ANY(current_schemas(false))",
        [f"{table.name}_in_clear"],
    )
    return await found.fetchone() is not None


async def _seal_some(
    conn: AsyncConnection[Any], table: _Table, keys: Mapping[str, StationKeys]
) -> int:
    """Seal some rows; drop the table they came from when there was none left."""
    columns = ", ".join((*table.key, *table.content))
    where = " AND ".join(f"{column} = %s" for column in table.key)
    waiting = f"{table.name}_in_clear"
    cursor = await conn.execute(
        f"SELECT ctid::text, station, {columns} FROM {waiting} LIMIT {_ROWS}".encode()  # noqa: S608 - as above
    )
    rows = await cursor.fetchall()
    if not rows:
        await conn.execute(f"DROP TABLE {waiting}".encode())
        await conn.execute(f"ALTER TABLE {table.name} ALTER COLUMN sealed SET NOT NULL".encode())
        return 0
    width = len(table.key)
    async with conn.cursor() as writer:
        await writer.executemany(
            f"UPDATE {table.name} SET sealed = %b WHERE {where}".encode(),  # noqa: S608 - as above
            [(table.seal(keys[station], row), *row[:width]) for _, station, *row in rows],
        )
    await conn.execute(
        f"DELETE FROM {waiting} WHERE ctid = ANY(%s::tid[])".encode(),  # noqa: S608 - as above
        [[row[0] for row in rows]],
    )
    return len(rows)
