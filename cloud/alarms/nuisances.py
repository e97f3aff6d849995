"""Alarms that wear their operators out: those that chatter, and those that are gone at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud.alarms.definitions import Definitions
from cloud.alarms.kinds import RANGE, columns, kinds
from cloud.alarms.store import Connection
from cloud.db import Pool, connection


@dataclass(frozen=True)
class Nuisance:
    """An alarm that comes and goes too often or too quickly; `count` times in the range."""

    alarm: int
    station: str
    device: str
    code: str
    tag: str
    count: int
    newest_ms: int


_CHATTERING: Final = f"""
SELECT id, station, device, code, tag, count(*), max(raised_ms) FROM (
    SELECT a.id, a.station, a.device, a.code, a.tag, o.raised_ms, c.within_ms,
           lag(o.raised_ms, c.count - 1) OVER (PARTITION BY a.id ORDER BY o.raised_ms) AS earlier_ms
    FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
    JOIN unnest(%(code)s::text[], %(tag)s::text[], %(count)s::int[], %(within_ms)s::bigint[])
         AS c(code, tag, count, within_ms) ON (c.code, c.tag) = (a.code, a.tag)
    WHERE {RANGE}
) AS raises
WHERE raised_ms - earlier_ms <= within_ms
GROUP BY 1, 2, 3, 4, 5 ORDER BY count(*) DESC, max(raised_ms) DESC LIMIT %(limit)s
"""  # noqa: S608 - our own words
_FLEETING: Final = f"""
SELECT a.id, a.station, a.device, a.code, a.tag, count(*), max(o.raised_ms)
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE {RANGE} AND o.cleared_ms - o.onset_ms < %(under_ms)s
  AND (o.acknowledged_ms IS NULL OR o.acknowledged_ms >= o.cleared_ms)
  AND (a.code, a.tag) NOT IN (SELECT * FROM unnest(%(code)s::text[], %(tag)s::text[]))
GROUP BY 1, 2, 3, 4, 5 ORDER BY count(*) DESC, max(o.raised_ms) DESC LIMIT %(limit)s
"""  # noqa: S608 - as above


async def chattering(
    pool: Pool,
    definitions: Definitions,
    start_ms: int,
    end_ms: int,
    *,
    station: str | None = None,
    limit: int = 50,
) -> tuple[Nuisance, ...]:
    """Return alarms that were raised too often within a minute, or as defined, worst first."""
    given: dict[str, Any] = {
        "start_ms": start_ms,
        "end_ms": end_ms,
        "station": station,
        "limit": limit,
    }
    async with connection(pool) as conn:
        rules = await kinds(conn, definitions, given)
        limits = [rule.chattering or definitions.chattering for rule in rules.values()]
        given |= columns(rules) | {
            "count": [one.count for one in limits],
            "within_ms": [round(one.within_s * 1000) for one in limits],
        }
        return await _nuisances(conn, _CHATTERING, given)


async def fleeting(
    pool: Pool,
    definitions: Definitions,
    start_ms: int,
    end_ms: int,
    *,
    station: str | None = None,
    limit: int = 50,
) -> tuple[Nuisance, ...]:
    """Return alarms that were gone before anybody could have acted, most frequent first."""
    given: dict[str, Any] = {
        "start_ms": start_ms,
        "end_ms": end_ms,
        "station": station,
        "limit": limit,
        "under_ms": round(definitions.fleeting.under_s * 1000),
    }
    async with connection(pool) as conn:
        rules = await kinds(conn, definitions, given)
        momentary = [kind for kind, rule in rules.items() if rule.momentary]
        return await _nuisances(conn, _FLEETING, given | columns(momentary))


async def _nuisances(
    conn: Connection, query: str, given: Mapping[str, Any]
) -> tuple[Nuisance, ...]:
    rows = await (await conn.execute(query.encode(), given)).fetchall()
    return tuple(Nuisance(*row) for row in rows)
