"""One alarm whole: its journal, its occurrences, its incident from the first-out on.

The story of an incident is every event of its container and of the station itself around it,
information included (protective actions, confirmations), in the order of the devices' clocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.alarms.definitions import Definitions, load
from cloud.alarms.states import ACTS, Change, State
from cloud.alarms.store import Connection
from cloud.db import Pool, connection
from cloud.errors import KeyStoreError
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import Vault
from contract.tags import container_of

BEFORE_MS: Final = 10_000
AFTER_MS: Final = 120_000
"""Confirmations and escalations follow a trip within seconds; two minutes show them all."""
MOST_EVENTS: Final = 1_000
_MOST_LINES: Final = 500
_PROTECTION: Final = "protection."
_MOST_OCCURRENCES: Final = 50


@dataclass(frozen=True)
class Line:
    """A row of the journal: what happened, when by the device or the person, and who and why."""

    at_ms: int
    recorded_ms: int
    change: Change
    state: State
    onset_ms: int
    actor: str
    reason: str
    until_ms: int


@dataclass(frozen=True)
class Happened:
    """One time that the alarm was raised."""

    onset_ms: int
    received_ms: int
    raised_ms: int
    returned_ms: int | None
    announced_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str


@dataclass(frozen=True)
class Part:
    """An alarm of an incident; `cause` is the number of the alarm that it follows from."""

    alarm: int
    device: str
    code: str
    tag: str
    priority: int
    onset_ms: int
    returned_ms: int | None
    first_out: bool
    cause: int | None


@dataclass(frozen=True)
class Answer:
    """What a person did to an alarm of an incident."""

    part: Part
    line: Line


@dataclass(frozen=True)
class StoryEvent:
    """An event of the incident's time, as it was told."""

    id: str
    device: str
    code: str
    tag: str
    severity: int
    active: bool
    at_ms: int
    received_ms: int
    text_en: str
    text_zh: str
    value: float | None
    limit: float | None


@dataclass(frozen=True)
class Incident:
    """What happened together.

    Attributes:
        station, scope: where; scope is the container, empty for the station itself.
        begin_ms: device time of the first alarm of this scope; with station and scope its name.
        parts: its alarms by device time; of a trip of the whole station those of containers too.
        events: all that devices and controller told around it, by device time.
        cut: more events happened than are here.
        damaged: ids of events that cannot be opened.
    """

    station: str
    scope: str
    begin_ms: int
    parts: tuple[Part, ...]
    events: tuple[StoryEvent, ...]
    cut: bool
    damaged: tuple[str, ...]

    @property
    def first_ms(self) -> int:
        """Device time of its first-out, or else of its begin: offsets count from there."""
        return next((part.onset_ms for part in self.parts if part.first_out), self.begin_ms)

    @property
    def stands(self) -> bool:
        """Whether one of its alarms still does."""
        return any(part.returned_ms is None for part in self.parts)


_LINE: Final = """
j.at_ms, (extract(epoch FROM j.recorded_at) * 1000)::bigint, j.change, j.state, j.onset_ms,
coalesce(t.actor, ''), coalesce(t.reason, ''), coalesce(t.until_ms, 0)
"""
_STANDS: Final = """
j.withdraws IS NULL AND NOT EXISTS (SELECT FROM alarm_journal w WHERE w.withdraws = j.id)
"""
_JOURNAL: Final = f"""
SELECT {_LINE} FROM alarm_journal j LEFT JOIN alarm_acts t ON t.id = j.act
WHERE j.alarm = %s AND {_STANDS} ORDER BY j.at_ms DESC, j.place DESC LIMIT %s
"""  # noqa: S608 - our own words
_ANSWERS: Final = f"""
SELECT w.n, {_LINE}
FROM unnest(%(alarm)s::bigint[], %(onset_ms)s::bigint[]) WITH ORDINALITY
    AS w(alarm, onset_ms, n)
JOIN alarm_journal j ON (j.alarm, j.onset_ms) = (w.alarm, w.onset_ms)
LEFT JOIN alarm_acts t ON t.id = j.act
WHERE j.change = ANY(%(acts)s) AND {_STANDS}
ORDER BY j.at_ms, j.place, w.n LIMIT %(limit)s
"""  # noqa: S608 - as above
_OCCURRENCES: Final = """
SELECT onset_ms, received_ms, raised_ms, returned_ms, announced_ms, acknowledged_ms, acknowledged_by
FROM alarm_occurrences WHERE alarm = %s ORDER BY onset_ms DESC LIMIT %s
"""
_PARTS: Final = """
SELECT a.id, a.device, a.code, a.tag, a.priority, o.onset_ms, o.returned_ms, o.lead, o.cause
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE o.station = %s AND (o.scope, o.group_ms) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))
ORDER BY o.onset_ms, a.priority, a.device, a.code, a.tag
"""
_NEAR: Final = """
SELECT DISTINCT o.scope, o.group_ms, a.code, a.tag, o.onset_ms
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE o.station = %s AND o.onset_ms BETWEEN %s AND %s AND o.group_ms IS NOT NULL
"""
_EVENTS: Final = """
SELECT id, device, code, tag, severity, active, at_ms,
       (extract(epoch FROM received_at) * 1000)::bigint, sealed
FROM events WHERE station = %s AND at_ms BETWEEN %s AND %s ORDER BY at_ms, id
"""


async def journal(pool: Pool, alarm: int) -> tuple[Line, ...]:
    """Return what has become of an alarm, newest first; withdrawn rows are left out."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_JOURNAL.encode(), [alarm, _MOST_LINES])).fetchall()
    return tuple(_line(row) for row in rows)


async def answers(pool: Pool, parts: Sequence[Part]) -> tuple[Answer, ...]:
    """Return what people did to the alarms of an incident while they stood, oldest first."""
    given = {
        "alarm": [part.alarm for part in parts],
        "onset_ms": [part.onset_ms for part in parts],
        "acts": sorted(ACTS),
        "limit": _MOST_LINES,
    }
    async with connection(pool) as conn:
        rows = await (await conn.execute(_ANSWERS.encode(), given)).fetchall()
    return tuple(Answer(parts[number - 1], _line(line)) for number, *line in rows)


def _line(row: Sequence[Any]) -> Line:
    at_ms, recorded_ms, change, state, *rest = row
    return Line(at_ms, recorded_ms, Change(change), State(state), *rest)


async def occurrences(pool: Pool, alarm: int) -> tuple[Happened, ...]:
    """Return the times that an alarm was raised, newest first."""
    async with connection(pool) as conn:
        rows = await (await conn.execute(_OCCURRENCES, [alarm, _MOST_OCCURRENCES])).fetchall()
    return tuple(Happened(*row) for row in rows)


async def incident(
    pool: Pool,
    vault: Vault,
    station: str,
    scope: str,
    begin_ms: int,
    *,
    definitions: Definitions | None = None,
    most: int = MOST_EVENTS,
) -> Incident:
    """Return the incident of a container (or the station, scope "") that began at `begin_ms`.

    Where a trip of the whole station has taken a container's incident in, the station's is
    returned. Of more than `most` events the first are kept, and what protection did: that is its
    story.
    """
    rules = definitions or load()
    async with connection(pool) as conn:
        scope, begin_ms, names = await _whole(conn, rules, station, (scope, begin_ms))
        asked = [station, *(list(column) for column in zip(*names, strict=True))]
        found = await (await conn.execute(_PARTS, asked)).fetchall()
        parts = tuple(Part(*row) for row in found)
        times = [part.onset_ms for part in parts] or [begin_ms]
        span = min(times) - BEFORE_MS, max(times) + AFTER_MS
        rows = await (await conn.execute(_EVENTS, [station, *span], binary=True)).fetchall()
    own = [row for row in rows if not scope or container_of(row[1]) in (scope, "")]
    events, damaged = await _opened(vault, station, _kept(own, most))
    return Incident(station, scope, begin_ms, parts, events, len(own) > most, damaged)


_Name = tuple[str, int]


async def _whole(
    conn: Connection, rules: Definitions, station: str, name: _Name
) -> tuple[str, int, list[_Name]]:
    """Return scope and begin of an incident, and of all groups that it consists of."""
    gap_ms = round(rules.incident.gap_s * 1000)
    reach_ms = 2 * (round(rules.incident.longest_s * 1000) + gap_ms)
    span = [station, name[1] - reach_ms, name[1] + reach_ms]
    near = await (await conn.execute(_NEAR, span)).fetchall()
    members: dict[_Name, list[int]] = {}
    trips: dict[_Name, list[int]] = {}
    for scope, group_ms, code, tag, onset_ms in near:
        members.setdefault((scope, group_ms), []).append(onset_ms)
        if not scope and rules.trips_station(code, tag):
            trips.setdefault((scope, group_ms), []).append(onset_ms)
    left = sorted(one for one in members if one[0])
    for trip, at in sorted(trips.items()):
        taken = [
            one
            for one in left
            if any(abs(onset_ms - at_ms) <= gap_ms for at_ms in at for onset_ms in members[one])
        ]
        if name == trip or name in taken:
            return *trip, [trip, *taken]
        left = [one for one in left if one not in taken]
    return *name, [name]


def _kept(rows: Sequence[tuple[Any, ...]], most: int) -> list[tuple[Any, ...]]:
    """Return at most `most` rows, in their order; of too many, those of protection come first."""
    if len(rows) <= most:
        return list(rows)
    ranked = sorted(range(len(rows)), key=lambda i: (not rows[i][2].startswith(_PROTECTION), i))
    return [rows[i] for i in sorted(ranked[:most])]


async def _opened(
    vault: Vault, station: str, rows: Sequence[tuple[Any, ...]]
) -> tuple[tuple[StoryEvent, ...], tuple[str, ...]]:
    keys = await vault.keys(station)
    events: list[StoryEvent] = []
    damaged: list[str] = []
    for event, device, code, tag, severity, active, at_ms, received_ms, sealed in rows:
        try:
            said = open_event(keys, station, event, sealed)
        except KeyStoreError:
            tell_damaged("events", station, event)
            damaged.append(event)
            continue
        where = event, device, code, tag, severity, active, at_ms, received_ms
        events.append(StoryEvent(*where, said.text_en, said.text_zh, said.value, said.limit))
    return tuple(events), tuple(damaged)
