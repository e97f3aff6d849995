"""What people did: one row for each sign-in, sign-out and order."""

from collections.abc import Mapping

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
        await conn.execute(
            "INSERT INTO audit (actor, action, object, detail) VALUES (%s, %s, %s, %s)",
            (actor, action, subject, Jsonb(dict(detail or {}))),
        )
