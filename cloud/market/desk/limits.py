"""Limits of desks in the store: who set them, when and why; the newest count.

What was blocked by limits is weighed again when they change; what is approved is weighed once more
before it is submitted anyway.
"""

from dataclasses import dataclass
from typing import Final

from psycopg.types.json import Jsonb

from cloud.access import audit
from cloud.db import Pool, connection
from cloud.market import bids
from cloud.market.risk import Limits

_LOCK: Final = 0x5354_4C49


@dataclass(frozen=True, slots=True)
class Set:
    """Limits of a desk as somebody has set them."""

    number: int
    limits: Limits
    set_by: str
    why: str


async def limits_of(pool: Pool, desk: str) -> Limits:
    """Return the limits of a desk; without any nothing is limited and a head approves all."""
    there = await past_limits(pool, desk)
    return there[0].limits if there else Limits()


async def past_limits(pool: Pool, desk: str) -> list[Set]:
    """Return all limits that a desk has had, newest first."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT number, limits, set_by, why FROM desk_limits WHERE desk = %s"
            " ORDER BY number DESC",
            [desk],
        )
        rows = await found.fetchall()
    return [Set(number, Limits.model_validate(given), who, why) for number, given, who, why in rows]


async def set_limits(pool: Pool, desk: str, limits: Limits, *, who: str, why: str) -> int:
    """Set the limits of a desk; return their number."""
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        found = await conn.execute(
            "INSERT INTO desk_limits (desk, number, limits, set_by, why)"
            " SELECT %(desk)s, coalesce(max(number), 0) + 1, %(limits)s, %(who)s, %(why)s"
            " FROM desk_limits WHERE desk = %(desk)s RETURNING number",
            {"desk": desk, "limits": Jsonb(limits.model_dump()), "who": who, "why": why},
        )
        row = await found.fetchone()
        number = int(row[0]) if row else 0
        await bids.weigh_again(conn, desk)
        await audit.write(conn, who, "set_limits", desk, {"number": number})
    return number
