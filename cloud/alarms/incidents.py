"""Incidents in the database: which occurrences belong together, which was first, what followed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.alarms.definitions import Definitions
from cloud.alarms.groups import Key, Member, Place, arrange, by_place
from cloud.alarms.store import Connection

_BEGIN: Final = """
SELECT max(group_ms) FROM alarm_occurrences
WHERE station = %s AND scope = %s AND group_ms <= %s
"""
_SCOPES: Final = """
SELECT DISTINCT scope FROM alarm_occurrences WHERE station = %s AND onset_ms >= %s
"""
_MEMBERS: Final = """
SELECT a.id, o.onset_ms, o.returned_ms, a.priority, a.device, a.code, a.tag
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE o.station = %s AND o.onset_ms >= %s
"""
_PLACE: Final = """
UPDATE alarm_occurrences o
SET group_ms = w.group_ms, lead = w.lead, urgency = w.urgency, cause = w.cause,
    cause_onset_ms = w.cause_onset_ms
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::smallint[], %s::bigint[],
    %s::bigint[]) AS w(alarm, onset_ms, group_ms, lead, urgency, cause, cause_onset_ms)
WHERE (o.alarm, o.onset_ms) = (w.alarm, w.onset_ms)
  AND (o.group_ms, o.lead, o.urgency, o.cause, o.cause_onset_ms)
      IS DISTINCT FROM (w.group_ms, w.lead, w.urgency, w.cause, w.cause_onset_ms)
"""
_LEAD: Final = """
UPDATE alarms a SET first_out = n.lead, list_priority = n.priority
FROM (
    SELECT a.id, coalesce(o.lead, false) AS lead,
           CASE WHEN o.lead THEN o.urgency ELSE a.priority END AS priority
    FROM alarms a LEFT JOIN alarm_occurrences o ON (o.alarm, o.onset_ms) = (a.id, a.onset_ms)
    WHERE a.id = ANY(%s)
) AS n
WHERE a.id = n.id AND (a.first_out, a.list_priority) IS DISTINCT FROM (n.lead, n.priority)
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """What has changed at a station.

    Attributes:
        since_ms: oldest onset that is new, changed or gone, by scope.
        wide_ms: likewise of what may be a cause anywhere in the station; None: nothing.
        alarms: whose occurrences have changed.
    """

    since_ms: Mapping[str, int]
    wide_ms: int | None
    alarms: Sequence[int]


async def rearrange(
    conn: Connection, definitions: Definitions, station: str, touched: Touched
) -> None:
    """Find the incidents of a station anew, in the scopes and since the times given.

    Args:
        conn: in a transaction under the station's lock.
        definitions: what joins incidents and what follows from what.
        station: id of the station.
        touched: what has changed.
    """
    since, wide_ms = dict(touched.since_ms), touched.wide_ms
    if wide_ms is not None:
        for (scope,) in await (await conn.execute(_SCOPES, [station, wide_ms])).fetchall():
            since[scope] = min(wide_ms, since.get(scope, wide_ms))
    begins: dict[str, int] = {}
    for scope, at_ms in since.items():
        found = await (await conn.execute(_BEGIN, [station, scope, at_ms])).fetchone()
        begins[scope] = at_ms if found is None or found[0] is None else min(found[0], at_ms)
    longest_ms = round(definitions.incident.longest_s * 1000)
    oldest_ms = min(begins.values(), default=0) - longest_ms
    cursor = await conn.execute(_MEMBERS, [station, oldest_ms], binary=True)
    members = [Member(*row) for row in await cursor.fetchall()]
    places: dict[Key, Place] = {}
    by_scope: dict[str, list[Member]] = {scope: [] for scope in begins}
    for one in members:
        if one.onset_ms >= begins.get(one.scope, one.onset_ms + 1):
            by_scope[one.scope].append(one)
    nearby = by_place(members)
    for own in by_scope.values():
        places |= arrange(own, nearby, definitions)
    await _write(conn, places, touched.alarms)


async def _write(conn: Connection, places: Mapping[Key, Place], alarms: Iterable[int]) -> None:
    rows = [
        (*key, place.group_ms, place.lead, place.urgency, *(place.cause or (None, None)))
        for key, place in places.items()
    ]
    if rows:
        await conn.execute(_PLACE, [list(column) for column in zip(*rows, strict=True)])
    concerned = {alarm for alarm, _ in places} | set(alarms)
    await conn.execute(_LEAD, [sorted(concerned)])
