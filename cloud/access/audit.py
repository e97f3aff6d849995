"""What people did: one row for each sign-in, sign-out and order."""

from collections.abc import Mapping

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from cloud.db import Pool, connection


async def note(
    pool: Pool,
    actor: str,
    action: str,
    subject: str = "",
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write that `actor` did `action` to `subject`."""
    async with connection(pool) as conn:
        await write(conn, actor, action, subject, detail)


async def write(
    conn: AsyncConnection[TupleRow],
    actor: str,
    action: str,
    subject: str = "",
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write a row as `note` does, in the transaction that does what it tells of."""
    await conn.execute(
        "INSERT INTO audit (actor, action, object, detail) VALUES (%s, %s, %s, %s)",
        (actor, action, subject, Jsonb(dict(detail or {}))),
    )
