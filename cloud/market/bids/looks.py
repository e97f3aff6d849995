"""What has become of the drafting where it has made no bid: it failed, or there is nothing to bid.

The last look at each gate is kept for two days, so that an empty gate says why it is empty and a
gate that closes on a failure calls people.
"""

from dataclasses import dataclass
from typing import Final

from cloud.db import Pool, connection

_KEPT_MS: Final = 2 * 86_400_000
"""As far back as gates that closed on nothing are counted."""
_MOST_CHARS: Final = 500
_KEEP: Final = """
INSERT INTO draft_looks
SELECT id, %s, %s, %s, %s, %s, %s, %s, %s FROM stations WHERE id = %s
ON CONFLICT (station, market, product, begin_ms) DO UPDATE
SET (end_ms, gate_ms, looked_ms, failed, why)
    = (excluded.end_ms, excluded.gate_ms, excluded.looked_ms, excluded.failed, excluded.why)
"""
_FORGET: Final = (
    "DELETE FROM draft_looks WHERE (station, market, product) = (%s, %s, %s) AND gate_ms < %s"
)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a gate that has made no bid.

    Attributes:
        station, market, product: ids.
        begin_ms, end_ms: of the block, UTC epoch.
        gate_ms: when its gate closes.
        failed: whether the drafting failed; False: nothing pays, or nothing can be bid.
        why: of a failure, in English.
    """

    station: str
    market: str
    product: str
    begin_ms: int
    end_ms: int
    gate_ms: int
    failed: bool
    why: str = ""


async def keep_look(pool: Pool, look: Look, now_ms: int) -> None:
    """Keep the last look at a gate; what is older than two days goes.

    Nothing is kept of a station that is not there: that is what its desk has to tell.
    """
    place = look.station, look.market, look.product
    row = (
        *(look.market, look.product, look.begin_ms, look.end_ms, look.gate_ms, now_ms),
        *(look.failed, look.why[:_MOST_CHARS], look.station),
    )
    async with connection(pool) as conn:
        await conn.execute(_KEEP, row)
        await conn.execute(_FORGET, [*place, now_ms - _KEPT_MS])


async def looks_at(pool: Pool, station: str, from_ms: int) -> tuple[Look, ...]:
    """Return the looks at a station's gates that close then or later."""
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT station, market, product, begin_ms, end_ms, gate_ms, failed, why"
            " FROM draft_looks WHERE station = %s AND gate_ms >= %s ORDER BY gate_ms, begin_ms",
            [station, from_ms],
        )
        return tuple(Look(*row) for row in await found.fetchall())
