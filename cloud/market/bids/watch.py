"""The deadline watch: where people must be called, and why.

Five conditions, each gone by itself when its cause is. Of a product: a gate is near and nothing is
approved (or what is approved does not get out); a gate has closed and nothing stands, or nothing
could be drafted for it; its drafting goes on for longer than it may. Of a station:
the exchange does not say what became of a request; its statement is off by more than a cent (for a
week, in which it is contested; the settled bid says so for ever). A bid that somebody has taken
back calls nobody for its gate.

A product whose gates close every few minutes is one condition, however many of them nobody has
signed: it stands until a bid is signed or stands again, or until an hour after the last delivery.
While it stands and its last gate is not an hour old, people have been called: no gate calls them
again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cloud.db import Pool, connection
from cloud.market.bids.decide import Times

DEADLINE: Final = "cloud.bid_deadline"
MISSED: Final = "cloud.bid_missed"
LATE: Final = "cloud.draft_late"
UNCLEAR: Final = "cloud.bid_unclear"
DIFFERS: Final = "cloud.settlement_differs"
_CONTESTED_MS: Final = 7 * 86_400_000
"""After a week the alarm has been seen or never will be."""
_UNCLEAR_MS: Final = 120_000
"""An exchange answers in seconds; after two minutes somebody should ring it up."""
_CALLED_MS: Final = 3_600_000
"""As long as the alarm gives to answer it; by then a product that rests is no news any more."""
_COUNTED_MS: Final = 2 * 86_400_000
"""Gates are counted so far back: more of them say nothing new."""

_SEEN: Final = """
seen AS (
    SELECT b.station, b.market, b.product, b.gate_ms, b.begin_ms,
           b.withdrawn_ms IS NOT NULL AS ruled,
           bool_or(v.state = 'approved') AS approved,
           bool_or(v.state IN ('submitted', 'accepted', 'cleared', 'scheduled', 'delivered',
                               'settled')) AS stands,
           bool_or(v.state = 'rejected') AS rejected,
           bool_or(v.state IN ('lapsed', 'rejected')) AS failed
    FROM bids b JOIN bid_versions v ON v.bid = b.id
    WHERE b.end_ms > %(now)s - %(called)s GROUP BY b.id
), missed AS (
    SELECT station, market, product, gate_ms FROM (
        SELECT DISTINCT ON (station, market, product) * FROM seen WHERE gate_ms <= %(now)s
        ORDER BY station, market, product, gate_ms DESC, begin_ms DESC) AS last
    WHERE failed AND NOT stands AND NOT ruled AND NOT EXISTS (
        SELECT 1 FROM seen s
        WHERE (s.station, s.market, s.product) = (last.station, last.market, last.product)
        AND s.gate_ms > %(now)s AND NOT s.ruled AND (s.approved OR s.stands))
)
"""
_UNDRAFTED: Final = """
undrafted AS (
    SELECT station, market, product, gate_ms FROM (
        SELECT DISTINCT ON (station, market, product) * FROM draft_looks WHERE gate_ms <= %(now)s
        ORDER BY station, market, product, gate_ms DESC) AS last
    WHERE failed AND gate_ms > %(now)s - %(called)s AND NOT EXISTS (
        SELECT 1 FROM bids b
        WHERE (b.station, b.market, b.product) = (last.station, last.market, last.product)
        AND b.end_ms > last.begin_ms)
)
"""
_STATES: Final = f"""
WITH {_SEEN}, {_UNDRAFTED}
SELECT 'missed', station, market, product FROM missed
UNION
SELECT 'missed', station, market, product FROM undrafted
UNION
SELECT 'late', station, market, product FROM draft_looks WHERE late AND gate_ms > %(now)s
UNION
SELECT 'near', s.station, s.market, s.product
FROM seen s LEFT JOIN missed m USING (station, market, product)
WHERE s.gate_ms > %(now)s AND NOT s.stands AND NOT s.ruled AND (
    s.rejected OR (coalesce(m.gate_ms, 0) <= %(now)s - %(called)s AND (
        (NOT s.approved AND s.gate_ms - %(escalate)s <= %(now)s)
        OR s.gate_ms - %(fallback)s <= %(now)s)))
"""  # noqa: S608 - joined of constants
_COUNTED: Final = f"""
WITH {_SEEN}, closed AS (
    SELECT b.market, b.product, b.gate_ms, bool_or(v.state IN ('submitted', 'accepted', 'cleared',
           'scheduled', 'delivered', 'settled')) OR b.withdrawn_ms IS NOT NULL AS served
    FROM missed m JOIN bids b USING (station, market, product)
    JOIN bid_versions v ON v.bid = b.id
    WHERE m.station = %(station)s AND b.gate_ms BETWEEN %(now)s - %(counted)s AND %(now)s
    GROUP BY b.id
)
SELECT market, product, count(*), min(gate_ms) FROM closed c
WHERE NOT served AND gate_ms > coalesce((
    SELECT max(o.gate_ms) FROM closed o
    WHERE o.served AND (o.market, o.product) = (c.market, c.product)), 0)
GROUP BY market, product ORDER BY market, product
"""  # noqa: S608 - joined of constants
_COUNTED_UNDRAFTED: Final = f"""
WITH {_UNDRAFTED}
SELECT market, product, count(*), min(l.gate_ms)
FROM undrafted u JOIN draft_looks l USING (station, market, product)
WHERE station = %(station)s AND l.failed AND l.gate_ms BETWEEN %(now)s - %(counted)s AND %(now)s
AND l.gate_ms > coalesce((
    SELECT max(o.gate_ms) FROM draft_looks o
    WHERE NOT o.failed AND o.gate_ms <= %(now)s
    AND (o.station, o.market, o.product) = (l.station, l.market, l.product)), 0)
AND l.begin_ms >= coalesce((
    SELECT max(b.end_ms) FROM bids b
    WHERE (b.station, b.market, b.product) = (l.station, l.market, l.product)), 0)
GROUP BY market, product ORDER BY market, product
"""  # noqa: S608 - joined of constants
_ASKED: Final = """
SELECT DISTINCT b.station FROM bid_outbox o JOIN bids b ON b.id = o.bid
WHERE o.answer IS NULL AND o.written_ms < %s
"""
_DIFFERENT: Final = """
SELECT DISTINCT b.station FROM bid_differences d JOIN bids b ON b.id = d.bid WHERE d.at_ms > %s
"""

Places = frozenset[tuple[str, str]]
"""Stations, each with the product that it is about, as "market/product"; empty: all of it."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A product whose gates close one after the other on nothing.

    Attributes:
        market, product: ids.
        gates: how many in a row, of the last two days.
        since_ms: when the first of them closed, UTC epoch.
    """

    market: str
    product: str
    gates: int
    since_ms: int


async def any_open(pool: Pool) -> bool:
    """Whether any bid has something left to do."""
    async with connection(pool) as conn:
        found = await conn.execute("SELECT 1 FROM bid_turns LIMIT 1")
        return await found.fetchone() is not None


async def conditions(pool: Pool, now_ms: int, times: Times) -> Mapping[str, Places]:
    """Return the places where each of the conditions stands, by its event code."""
    given = {
        "now": now_ms,
        "called": _CALLED_MS,
        "escalate": times.escalate_ms,
        "fallback": times.fallback_ms,
    }
    async with connection(pool) as conn:
        rows = await (await conn.execute(_STATES, given)).fetchall()
        asked = await (await conn.execute(_ASKED, [now_ms - _UNCLEAR_MS])).fetchall()
        off = await (await conn.execute(_DIFFERENT, [now_ms - _CONTESTED_MS])).fetchall()
    of = {name: frozenset((s, f"{m}/{p}") for n, s, m, p in rows if n == name) for name in _NAMES}
    return {
        **{code: of[name] for name, code in _NAMES.items()},
        UNCLEAR: frozenset((row[0], "") for row in asked),
        DIFFERS: frozenset((row[0], "") for row in off),
    }


_NAMES: Final = {"near": DEADLINE, "missed": MISSED, "late": LATE}


async def missed(pool: Pool, station: str, now_ms: int) -> tuple[Missed, ...]:
    """Return the products of a station whose gates close on nothing, with how many did so."""
    given = {"now": now_ms, "called": _CALLED_MS, "counted": _COUNTED_MS, "station": station}
    async with connection(pool) as conn:
        rows = await (await conn.execute(_COUNTED, given)).fetchall()
        empty = await (await conn.execute(_COUNTED_UNDRAFTED, given)).fetchall()
    found = {(one.market, one.product): one for one in (Missed(*row) for row in rows)}
    for one in (Missed(*row) for row in empty):
        before = found.get((one.market, one.product), replace(one, gates=0))
        since = min(before.since_ms, one.since_ms)
        found[one.market, one.product] = replace(
            one, gates=one.gates + before.gates, since_ms=since
        )
    return tuple(found.values())
