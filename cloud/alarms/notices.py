"""Conditions that other rooms of the cloud find at stations, as edges that become alarms.

Whoever looks tells all places where a condition stands; an edge is written where that has changed
since the last look. Several processes that look at once write it once.
"""

from collections.abc import Collection
from typing import Final

from cloud.db import Pool, connection

_LOCK: Final = 0x5354_4E4F
_TELL: Final = """
WITH RECURSIVE known (station, tag) AS (
    (SELECT station, tag FROM cloud_edges WHERE code = %(code)s ORDER BY station, tag LIMIT 1)
    UNION ALL
    SELECT next.station, next.tag FROM known CROSS JOIN LATERAL (
        SELECT c.station, c.tag FROM cloud_edges c
        WHERE c.code = %(code)s AND (c.station, c.tag) > (known.station, known.tag)
        ORDER BY c.station, c.tag LIMIT 1) AS next
), given AS (
    SELECT g.station, g.tag FROM unnest(%(stations)s::text[], %(tags)s::text[]) AS g(station, tag)
    JOIN stations s ON s.id = g.station
), wanted AS (
    SELECT station, tag, true AS stands FROM given
    UNION ALL
    SELECT station, tag, false FROM known
    WHERE NOT EXISTS (SELECT 1 FROM given g WHERE (g.station, g.tag) = (known.station, known.tag))
)
INSERT INTO cloud_edges (station, code, tag, active, at_ms, received_at)
SELECT w.station, %(code)s, w.tag, w.stands, %(now_ms)s, to_timestamp(%(now_ms)s / 1000.0)
FROM wanted AS w
LEFT JOIN LATERAL (
    SELECT active FROM cloud_edges c
    WHERE c.code = %(code)s AND c.station = w.station AND c.tag = w.tag
    ORDER BY c.at_ms DESC, c.id DESC LIMIT 1) AS told ON true
WHERE w.stands IS DISTINCT FROM coalesce(told.active, false)
"""


async def tell(pool: Pool, code: str, places: Collection[tuple[str, str]], now_ms: int) -> int:
    """Say where a condition of the cloud stands now; return at how many places it has changed.

    Args:
        pool: the store.
        code: of the event.
        places: each a station and what of it, as "market/product"; empty: the station itself.
        now_ms: the present.
    """
    stations, tags = zip(*sorted(places), strict=True) if places else ((), ())
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        given = {"code": code, "stations": list(stations), "tags": list(tags), "now_ms": now_ms}
        return (await conn.execute(_TELL, given)).rowcount
