"""Conditions that other rooms of the cloud find at stations, as edges that become alarms.

Whoever looks tells all stations where a condition stands; an edge is written where that has changed
since the last look. Several processes that look at once write it once.
"""

from collections.abc import Collection
from typing import Final

from cloud.db import Pool, connection

_LOCK: Final = 0x5354_4E4F
_TELL: Final = """
INSERT INTO cloud_edges (station, code, active, at_ms, received_at)
SELECT s.id, %(code)s, s.stands, %(now_ms)s, to_timestamp(%(now_ms)s / 1000.0)
FROM (SELECT id, id = ANY(%(stations)s) AS stands FROM stations) AS s
LEFT JOIN LATERAL (
    SELECT active FROM cloud_edges c WHERE c.station = s.id AND c.code = %(code)s
    ORDER BY c.at_ms DESC, c.id DESC LIMIT 1) AS told ON true
WHERE s.stands IS DISTINCT FROM coalesce(told.active, false)
"""


async def tell(pool: Pool, code: str, stations: Collection[str], now_ms: int) -> int:
    """Say where a condition of the cloud stands now; return at how many stations it has changed."""
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        given = {"code": code, "stations": list(stations), "now_ms": now_ms}
        return (await conn.execute(_TELL, given)).rowcount
