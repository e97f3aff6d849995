"""Incidents in the database: which occurrences belong together, which was first, what followed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.alarms.definitions import Definitions
from cloud.alarms.groups import SECOND_MS, Key, Member, Place, arrange, by_place
from cloud.alarms.store import Connection

_BEGIN: Final = """
SELECT max(group_ms) FROM alarm_occurrences
WHERE station = %s AND scope = %s AND group_ms <= %s
"""
_SCOPES: Final = """
SELECT DISTINCT scope FROM alarm_occurrences WHERE station = %s AND onset_ms >= %s
"""
_TRIPPED: Final = """
SELECT EXISTS (
    SELECT FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
    WHERE o.station = %s AND o.scope = '' AND o.onset_ms >= %s AND a.code = ANY(%s)
)
"""
_REACH: Final = 4
"""A change can move the first-out of incidents that began so many longest ones before it: its own,
the station's trip beside that, and those of the other containers which the trip takes in."""
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
    longest_ms = round(definitions.incident.longest_s * 1000)
    since, oldest_written_ms = await _since(conn, definitions, station, touched)
    begins: dict[str, int] = {}
    for scope, at_ms in since.items():
        found = await (await conn.execute(_BEGIN, [station, scope, at_ms])).fetchone()
        begins[scope] = at_ms if found is None or found[0] is None else min(found[0], at_ms)
    oldest_ms = min(begins.values(), default=0) - longest_ms
    cursor = await conn.execute(_MEMBERS, [station, oldest_ms], binary=True)
    members = [Member(*row) for row in await cursor.fetchall()]
    by_scope: dict[str, list[Member]] = {scope: [] for scope in begins}
    for one in members:
        if one.onset_ms >= begins.get(one.scope, one.onset_ms + 1):
            by_scope[one.scope].append(one)
    places = {
        key: place
        for key, place in arrange(by_scope, by_place(members), definitions).items()
        if place.group_ms >= oldest_written_ms
    }
    await _write(conn, places, touched.alarms)


async def _since(
    conn: Connection, definitions: Definitions, station: str, touched: Touched
) -> tuple[dict[str, int], int]:
    """Return since when each scope is looked at, and since when its incidents are written.

    Incidents of containers do not touch one another, except where the whole station has tripped:
    then all are looked at, from before the first that one of those written may be joined to.
    """
    since, wide_ms = dict(touched.since_ms), touched.wide_ms
    gap_ms = round(definitions.incident.gap_s * 1000)
    if wide_ms is not None:
        await _widen(conn, station, since, wide_ms - max(gap_ms, SECOND_MS))
    if not since:
        return since, 0
    low_ms = min(since.values())
    reach_ms = _REACH * round((definitions.incident.longest_s + definitions.incident.gap_s) * 1000)
    codes = sorted(definitions.causes_within_station)
    asked = [station, low_ms - 2 * reach_ms, codes]
    tripped = await (await conn.execute(_TRIPPED, asked)).fetchone()
    if tripped is None or not tripped[0]:
        return since, 0
    await _widen(conn, station, since, low_ms - 2 * reach_ms)
    return since, low_ms - reach_ms


async def _widen(conn: Connection, station: str, since: dict[str, int], at_ms: int) -> None:
    for (scope,) in await (await conn.execute(_SCOPES, [station, at_ms])).fetchall():
        since[scope] = min(at_ms, since.get(scope, at_ms))


async def _write(conn: Connection, places: Mapping[Key, Place], alarms: Iterable[int]) -> None:
    rows = [
        (*key, place.group_ms, place.lead, place.urgency, *(place.cause or (None, None)))
        for key, place in places.items()
    ]
    if rows:
        await conn.execute(_PLACE, [list(column) for column in zip(*rows, strict=True)])
    concerned = {alarm for alarm, _ in places} | set(alarms)
    await conn.execute(_LEAD, [sorted(concerned)])
