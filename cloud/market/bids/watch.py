"""The deadline watch: at which stations people must be called, and why.

Four conditions, each of a station, each gone by itself when its cause is: a gate is near and
nothing is approved (or what is approved does not get out); a gate has closed and nothing stands;
the exchange does not say what became of a request; its statement is off by more than a cent (for a
week, in which it is contested; the settled bid says so for ever). A bid that somebody has taken
back calls nobody for its gate.
"""

from collections.abc import Mapping
from typing import Final

from cloud.db import Pool, connection
from cloud.market.bids.decide import Times

DEADLINE: Final = "cloud.bid_deadline"
MISSED: Final = "cloud.bid_missed"
UNCLEAR: Final = "cloud.bid_unclear"
DIFFERS: Final = "cloud.settlement_differs"
_CONTESTED_MS: Final = 7 * 86_400_000
"""After a week the alarm has been seen or never will be."""
_UNCLEAR_MS: Final = 120_000
"""An exchange answers in seconds; after two minutes somebody should ring it up."""

_STATES: Final = """
WITH b AS (
    SELECT b.station, b.id, b.gate_ms, b.end_ms,
           bool_or(v.state = 'approved') AS approved,
           bool_or(v.state IN ('submitted', 'accepted', 'cleared', 'scheduled', 'delivered',
                               'settled')) AS stands,
           bool_or(v.state = 'rejected') AS rejected,
           bool_or(v.state IN ('lapsed', 'rejected')) AS failed
    FROM bids b JOIN bid_versions v ON v.bid = b.id
    WHERE b.end_ms > %(now)s AND b.withdrawn_ms IS NULL GROUP BY b.id
)
SELECT station,
       bool_or(gate_ms > %(now)s AND NOT stands AND (
           rejected OR (NOT approved AND gate_ms - %(escalate)s <= %(now)s)
           OR gate_ms - %(fallback)s <= %(now)s)),
       bool_or(gate_ms <= %(now)s AND NOT stands AND failed)
FROM b GROUP BY station
"""
_ASKED: Final = """
SELECT DISTINCT b.station FROM bid_outbox o JOIN bids b ON b.id = o.bid
WHERE o.answer IS NULL AND o.written_ms < %s
"""
_DIFFERENT: Final = """
SELECT DISTINCT b.station FROM bid_differences d JOIN bids b ON b.id = d.bid WHERE d.at_ms > %s
"""


async def any_open(pool: Pool) -> bool:
    """Whether any bid has something left to do."""
    async with connection(pool) as conn:
        found = await conn.execute("SELECT 1 FROM bid_turns LIMIT 1")
        return await found.fetchone() is not None


async def conditions(pool: Pool, now_ms: int, times: Times) -> Mapping[str, frozenset[str]]:
    """Return the stations where each of the conditions stands, by its event code."""
    given = {"now": now_ms, "escalate": times.escalate_ms, "fallback": times.fallback_ms}
    async with connection(pool) as conn:
        rows = await (await conn.execute(_STATES, given)).fetchall()
        asked = await (await conn.execute(_ASKED, [now_ms - _UNCLEAR_MS])).fetchall()
        off = await (await conn.execute(_DIFFERENT, [now_ms - _CONTESTED_MS])).fetchall()
    return {
        DEADLINE: frozenset(row[0] for row in rows if row[1]),
        MISSED: frozenset(row[0] for row in rows if row[2]),
        UNCLEAR: frozenset(row[0] for row in asked),
        DIFFERS: frozenset(row[0] for row in off),
    }
