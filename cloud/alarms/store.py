"""What the engine reads: alarms, their edges, acts and occurrences.

Everything is read for many alarms of one station at once, inside the transaction of
whoever calls and under the station's lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection

from cloud.alarms.conditions import Edge, EdgeKind
from cloud.alarms.definitions import CLOUD_CODES, Definition, Definitions
from cloud.alarms.fold import Act, Start, life_from_json
from cloud.alarms.states import Change
from cloud.errors import KeyStoreError
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import StationKeys
from contract.tags import container_of

Connection = AsyncConnection[Any]
_LOCK: Final = 0x5354_414C

Name = tuple[str, str, str]
"""Device, code and tag: with the station the identity of an alarm."""


@dataclass(frozen=True, slots=True)
class Known:
    """An alarm as its row has it."""

    id: int
    device: str
    code: str
    tag: str
    severity: int
    start: Start | None

    def rule(self, definitions: Definitions) -> Definition:
        """What its definition says."""
        return definitions.find(self.code, self.tag, self.severity)


@dataclass(frozen=True, slots=True)
class KeptPeriod:
    """When a stored occurrence's condition stood, as an alarm's causes are asked."""

    alarm: int
    onset_ms: int
    raised_ms: int
    returned_ms: int | None


async def lock(conn: Connection, station: str) -> None:
    """Keep everybody else from this station's alarms until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, station])


async def try_lock(conn: Connection, station: str) -> bool:
    """Like `lock`, unless somebody else has it now."""
    found = await conn.execute(
        "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, station]
    )
    row = await found.fetchone()
    return bool(row and row[0])


_ENTER: Final = """
INSERT INTO alarms (station, device, code, tag, severity, scope, priority, class, list_priority)
SELECT %(station)s, * FROM unnest(%(device)s::text[], %(code)s::text[], %(tag)s::text[],
    %(severity)s::smallint[], %(scope)s::text[], %(priority)s::smallint[], %(class)s::text[],
    %(priority)s::smallint[])
ON CONFLICT DO NOTHING
"""
_COLUMNS: Final = "a.id, a.device, a.code, a.tag, a.severity, a.mark_ms, a.mark_life"
_NAMED: Final = f"""
SELECT {_COLUMNS} FROM alarms a
JOIN unnest(%s::text[], %s::text[], %s::text[]) AS w(device, code, tag)
  ON (a.device, a.code, a.tag) = (w.device, w.code, w.tag) WHERE a.station = %s
"""  # noqa: S608 - our own columns


def _known(row: Sequence[Any]) -> Known:
    number, device, code, tag, severity, mark_ms, mark_life = row
    start = None if mark_ms is None else Start(mark_ms, life_from_json(mark_life))
    return Known(number, device, code, tag, severity, start)


async def enter(
    conn: Connection, station: str, names: Mapping[Name, int], definitions: Definitions
) -> dict[Name, Known]:
    """Return the alarms of these names; make those that there have not been yet.

    Args:
        conn: in a transaction under the station's lock.
        station: id of the station.
        names: severity by name.
        definitions: what the codes mean.
    """
    if not names:
        return {}
    rules = {name: definitions.find(name[1], name[2], severity) for name, severity in names.items()}
    columns = [list(column) for column in zip(*names, strict=True)]
    await conn.execute(
        _ENTER,
        {
            "station": station,
            **dict(zip(("device", "code", "tag"), columns, strict=True)),
            "severity": list(names.values()),
            "scope": [container_of(device) for device, _, _ in names],
            "priority": [rules[name].priority for name in names],
            "class": [rules[name].class_.value for name in names],
        },
    )
    found = await conn.execute(_NAMED, [*columns, station])
    known = [_known(row) for row in await found.fetchall()]
    return {(one.device, one.code, one.tag): one for one in known}


async def by_ids(conn: Connection, ids: Iterable[int]) -> dict[int, Known]:
    """Return alarms by their numbers."""
    found = await conn.execute(
        f"SELECT {_COLUMNS} FROM alarms a WHERE a.id = ANY(%s)".encode(),  # noqa: S608 - as above
        [sorted(ids)],
    )
    return {row[0]: _known(row) for row in await found.fetchall()}


_STARTS: Final = """
SELECT w.alarm, o.onset_ms, o.before
FROM unnest(%s::bigint[], %s::bigint[]) AS w(alarm, from_ms)
CROSS JOIN LATERAL (
    SELECT onset_ms, before FROM alarm_occurrences
    WHERE alarm = w.alarm AND onset_ms < w.from_ms AND before IS NOT NULL
    ORDER BY onset_ms DESC LIMIT 1) AS o
"""


async def starts(
    conn: Connection, known: Mapping[int, Known], from_ms: Mapping[int, int]
) -> dict[int, Start]:
    """Return where telling must begin for what happened at `from_ms` of each alarm."""
    found: dict[int, Start] = {}
    for alarm, at_ms in from_ms.items():
        newest = known[alarm].start
        if newest is not None and newest.at_ms < at_ms:
            found[alarm] = newest
    late = [alarm for alarm in from_ms if alarm not in found]
    if late:
        rows = await conn.execute(_STARTS, [late, [from_ms[alarm] for alarm in late]])
        for alarm, onset_ms, before in await rows.fetchall():
            found[alarm] = Start(onset_ms, life_from_json(before))
    return {alarm: found.get(alarm, Start()) for alarm in from_ms}


_EDGES: Final = """
SELECT w.alarm, e.at_ms, e.active, e.id, (extract(epoch FROM e.received_at) * 1000)::bigint,
       CASE WHEN w.valued THEN e.sealed END
FROM unnest(%(alarm)s::bigint[], %(device)s::text[], %(code)s::text[], %(tag)s::text[],
            %(start_ms)s::bigint[], %(valued)s::boolean[])
     AS w(alarm, device, code, tag, start_ms, valued)
JOIN events e ON e.station = %(station)s AND e.device = w.device AND e.code = w.code
             AND e.tag = w.tag AND e.at_ms >= w.start_ms
WHERE e.severity > 1
"""
_CLOUD_EDGES: Final = """
SELECT at_ms, active, (extract(epoch FROM received_at) * 1000)::bigint FROM cloud_edges
WHERE station = %s AND code = %s AND tag = %s AND at_ms >= %s
"""
_RESTARTS: Final = """
SELECT at_ms, id, (extract(epoch FROM received_at) * 1000)::bigint FROM events
WHERE station = %s AND code = 'station.started' AND at_ms >= %s
"""


async def edges(
    conn: Connection,
    keys: StationKeys,
    station: str,
    asked: Mapping[int, tuple[Known, Definition, Start]],
) -> dict[int, list[Edge]]:
    """Return the edges of alarms since their starts, restarts of the controller among them."""
    found: dict[int, list[Edge]] = {alarm: [] for alarm in asked}
    told = {a: one for a, one in asked.items() if one[0].code not in CLOUD_CODES}
    cursor = await conn.execute(
        _EDGES,
        {
            "station": station,
            "alarm": list(told),
            "device": [known.device for known, _, _ in told.values()],
            "code": [known.code for known, _, _ in told.values()],
            "tag": [known.tag for known, _, _ in told.values()],
            "start_ms": [start.at_ms for _, _, start in told.values()],
            "valued": [bool(rule.dead_band) for _, rule, _ in told.values()],
        },
        binary=True,
    )
    for alarm, at_ms, active, event, received_ms, sealed in await cursor.fetchall():
        value, limit = _figures(keys, station, event, sealed)
        kind = EdgeKind.APPEARED if active else EdgeKind.CLEARED
        found[alarm].append(Edge(at_ms, kind, event, received_ms, value, limit))
    if told:
        since_ms = min(start.at_ms for _, _, start in told.values())
        cursor = await conn.execute(_RESTARTS, [station, since_ms])
        restarts = [
            Edge(at_ms, EdgeKind.RESTARTED, event, received_ms)
            for at_ms, event, received_ms in await cursor.fetchall()
        ]
        for alarm, (_, _, start) in told.items():
            found[alarm] += [edge for edge in restarts if edge.at_ms >= start.at_ms]
    for alarm in asked.keys() - told.keys():
        known, _, start = asked[alarm]
        given = [station, known.code, known.tag, start.at_ms]
        cursor = await conn.execute(_CLOUD_EDGES, given)
        for at_ms, active, received_ms in await cursor.fetchall():
            kind = EdgeKind.APPEARED if active else EdgeKind.CLEARED
            found[alarm].append(Edge(at_ms, kind, "", received_ms))
    return found


def _figures(
    keys: StationKeys, station: str, event: str, sealed: bytes | None
) -> tuple[float | None, float | None]:
    if sealed is None:
        return None, None
    try:
        said = open_event(keys, station, event, sealed)
    except KeyStoreError:
        tell_damaged("events", station, event)
        return None, None
    return said.value, said.limit


_ACTS: Final = """
SELECT a.alarm, a.id, a.change, a.at_ms, a.seen_raised_ms, a.until_ms, a.actor, a.reason
FROM alarm_acts a JOIN unnest(%s::bigint[], %s::bigint[]) AS w(alarm, start_ms)
  ON a.alarm = w.alarm AND a.effective_ms >= w.start_ms
"""


async def acts(conn: Connection, begin: Mapping[int, Start]) -> dict[int, list[Act]]:
    """Return what people have done to alarms since their starts."""
    found: dict[int, list[Act]] = {alarm: [] for alarm in begin}
    cursor = await conn.execute(_ACTS, [list(begin), [start.at_ms for start in begin.values()]])
    for alarm, number, change, *rest in await cursor.fetchall():
        found[alarm].append(Act(number, Change(change), *rest))
    return found


_KEPT: Final = """
SELECT o.alarm, o.onset_ms, o.raised_ms, o.returned_ms
FROM alarm_occurrences o JOIN unnest(%s::bigint[], %s::bigint[]) AS w(alarm, start_ms)
  ON o.alarm = w.alarm AND o.onset_ms >= w.start_ms
"""


async def kept(conn: Connection, begin: Mapping[int, Start]) -> dict[int, list[KeptPeriod]]:
    """Return the stored occurrences of alarms since their starts."""
    found: dict[int, list[KeptPeriod]] = {alarm: [] for alarm in begin}
    cursor = await conn.execute(_KEPT, [list(begin), [start.at_ms for start in begin.values()]])
    for row in await cursor.fetchall():
        found[row[0]].append(KeptPeriod(*row))
    return found


_OF_CODES: Final = """
SELECT a.id, a.device, a.code, o.raised_ms, o.returned_ms
FROM alarms a JOIN alarm_occurrences o ON o.alarm = a.id
WHERE a.station = %s AND a.code = ANY(%s) AND (o.returned_ms IS NULL OR o.returned_ms >= %s)
"""

CausePeriod = tuple[int, str, str, int, int | None]
"""Alarm, device and code of a possible cause; raised, returned."""


async def cause_periods(
    conn: Connection, station: str, codes: Iterable[str], since_ms: int
) -> list[CausePeriod]:
    """Return the occurrences of alarms of these codes that stood after `since_ms`."""
    cursor = await conn.execute(_OF_CODES, [station, sorted(codes), since_ms])
    return [tuple(row) for row in await cursor.fetchall()]


async def standing_since(
    conn: Connection, station: str, codes: Iterable[str], since_ms: int
) -> set[int]:
    """Return the alarms of these codes whose condition stood after `since_ms`."""
    return {row[0] for row in await cause_periods(conn, station, codes, since_ms)}


_UNDER_WAY: Final = """
SELECT alarm FROM alarm_occurrences
WHERE station = %(station)s AND onset_ms <= %(at_ms)s
  AND (returned_ms IS NULL OR returned_ms >= %(at_ms)s)
UNION SELECT id FROM alarms WHERE station = %(station)s AND due_ms IS NOT NULL
"""


async def under_way(conn: Connection, station: str, at_ms: int) -> set[int]:
    """Return the alarms that a restart of the controller at `at_ms` concerns."""
    cursor = await conn.execute(_UNDER_WAY, {"station": station, "at_ms": at_ms})
    return {row[0] for row in await cursor.fetchall()}
