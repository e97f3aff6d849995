"""Commands that are no longer kept go by whole months, of all stations at once."""

from typing import Final

import psycopg

from cloud.db import Pool, connection

_TABLE_WAIT: Final = "2s"
"""Whoever waits for the table makes others wait behind it: a busy one is tried again later."""


async def drop_commands(pool: Pool, before_ms: int) -> str | None:
    """Drop the months that end before a time; return why that has to wait, None when done."""
    async with connection(pool) as conn:
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = '{_TABLE_WAIT}'")
                await conn.execute("SELECT drop_command_months(%s)", [before_ms])
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return "old commands: their table is busy"
    return None
