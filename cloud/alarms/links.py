"""Lost links: what the cloud notices itself, since a station that is cut off cannot tell it.

When the newest image of a station is too old, an edge is written once, dated when that image came;
when images come again, the edge that clears it. Several processes that look at once write it once.
"""

from typing import Final

from cloud.alarms.definitions import LINK_LOST
from cloud.db import Pool, connection
from cloud.fleet import LINK_LIMIT_MS

_LOCK: Final = 0x5354_4C4B
_LOOK: Final = """
INSERT INTO cloud_edges (station, code, active, at_ms, received_at)
SELECT s.station, %(code)s, s.lost, s.newest_ms, to_timestamp(%(now_ms)s / 1000.0)
FROM (
    SELECT station, (extract(epoch FROM received_at) * 1000)::bigint AS newest_ms,
           (extract(epoch FROM received_at) * 1000)::bigint < %(now_ms)s - %(limit_ms)s AS lost
    FROM live
) AS s
LEFT JOIN LATERAL (
    SELECT active FROM cloud_edges c
    WHERE c.code = %(code)s AND c.station = s.station AND c.tag = ''
    ORDER BY c.at_ms DESC, c.id DESC LIMIT 1) AS told ON true
WHERE s.lost IS DISTINCT FROM coalesce(told.active, false)
"""


async def look(pool: Pool, now_ms: int) -> int:
    """Write the links that were lost or came back since the last look; return how many.

    A station that has never reported is being built, and misses no link.
    """
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        given = {"code": LINK_LOST, "now_ms": now_ms, "limit_ms": LINK_LIMIT_MS}
        return (await conn.execute(_LOOK, given)).rowcount
