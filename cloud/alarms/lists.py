"""Lists of alarms: what is open, what is silent and why, what has stood for too long; the banner.

What an alarm says is opened only for the rows that are shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud.alarms.definitions import AlarmClass, Definition, Definitions
from cloud.alarms.states import OPEN, State
from cloud.db import Pool, connection, containing
from cloud.errors import KeyStoreError
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import StationKeys, Vault

MOST_ROWS: Final = 500
BANNER: Final = 4


@dataclass(frozen=True)
class Filter:
    """Which alarms.

    Attributes:
        states: in one of these.
        priorities: of one of these; empty: of any.
        station: of this one; None: of any.
        scope: of this container of the station ("" is the station itself); None: of any.
        text: part of station, device, code, tag, or of what its definition says.
        active_before_ms: whose condition has stood since before this time.
    """

    states: frozenset[State] = OPEN
    priorities: frozenset[int] = frozenset()
    station: str | None = None
    scope: str | None = None
    text: str = ""
    active_before_ms: int | None = None


@dataclass(frozen=True)
class LastAct:
    """Who has put an alarm aside, and why."""

    actor: str
    reason: str
    at_ms: int


@dataclass(frozen=True)
class AlarmSeen:
    """An alarm as lists show it.

    Attributes:
        id: its number, for acts and for its page.
        priority, class_, state, active: as ISA-18.2 has them; `active`: the condition stands.
        onset_ms, returned_ms: by the device's clock; returned_ms None while it stands.
        received_ms: when the cloud got it.
        respond_by_ms: until when its action helps; None when it is answered or silent.
        text_en, text_zh, value, limit: what it said; a `damaged` one names its code only.
        first_out: the first of an incident with others.
        consequence_of: number of the alarm that it follows from.
        group_ms: when its incident began; with station and scope its name.
        silenced: who has put it aside, for shelved ones and those out of service.
    """

    id: int
    station: str
    scope: str
    device: str
    code: str
    tag: str
    priority: int
    class_: AlarmClass
    state: State
    active: bool
    onset_ms: int
    raised_ms: int | None
    returned_ms: int | None
    received_ms: int | None
    announced_ms: int | None
    respond_by_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str
    first_out: bool
    group_ms: int | None
    consequence_of: int | None
    shelved_until_ms: int | None
    silenced: LastAct | None
    text_en: str
    text_zh: str
    value: float | None
    limit: float | None
    damaged: bool

    def text(self, language: str) -> str:
        """What is wrong, in the reader's language, beginning with a capital."""
        text = self.text_zh if language.startswith("zh") else self.text_en
        return text if self.damaged else text[:1].upper() + text[1:]


@dataclass(frozen=True)
class AlarmPage:
    """Some rows of a list, and how many it has."""

    alarms: tuple[AlarmSeen, ...]
    total: int


_OPEN_ONLY: Final = (
    "a.state IN ('unacknowledged', 'acknowledged', 'returned', 'latched')"  # as the index has it
)
_WHERE: Final = """
a.state = ANY(%(states)s)
AND (%(priorities)s::smallint[] IS NULL OR a.priority = ANY(%(priorities)s::smallint[]))
AND (%(station)s::text IS NULL OR a.station = %(station)s)
AND (%(scope)s::text IS NULL OR a.scope = %(scope)s)
AND (%(before_ms)s::bigint IS NULL OR (a.active AND a.onset_ms < %(before_ms)s))
AND (%(like)s::text IS NULL OR a.code = ANY(%(codes)s) OR a.station ILIKE %(like)s
     OR a.device ILIKE %(like)s OR a.code ILIKE %(like)s OR a.tag ILIKE %(like)s)
"""
_COLUMNS: Final = """
a.id, a.station, a.scope, a.device, a.code, a.tag, a.severity, a.priority, a.class, a.state,
a.active, a.onset_ms, o.raised_ms, o.returned_ms, o.received_ms, o.announced_ms,
o.acknowledged_ms, o.acknowledged_by, a.first_out, o.group_ms, o.cause, a.shelved_until_ms,
t.actor, t.reason, t.at_ms, a.event, e.sealed
"""
_JOINED: Final = """
alarms a
LEFT JOIN alarm_occurrences o ON (o.alarm, o.onset_ms) = (a.id, a.onset_ms)
LEFT JOIN events e ON (e.station, e.id) = (a.station, a.event)
LEFT JOIN LATERAL (
    SELECT actor, reason, at_ms FROM alarm_acts
    WHERE alarm = a.id AND a.state IN ('shelved', 'out_of_service')
      AND change = CASE a.state WHEN 'shelved' THEN 'shelved' ELSE 'taken_out' END
    ORDER BY effective_ms DESC, id DESC LIMIT 1) AS t ON true
"""
_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM {_JOINED}"  # noqa: S608 - our own words
_ORDER: Final = "a.answered, a.list_priority, a.first_out DESC, a.onset_ms DESC, a.id"


_ONE: Final = f"{_BY_NUMBER} WHERE a.id = %s".encode()


def _page_of(where: str) -> bytes:
    """Find the rows of a page in the index, then what belongs to them."""
    picked = f"SELECT a.id FROM alarms a WHERE {where} ORDER BY {_ORDER}"  # noqa: S608 - our own words
    limited = f"{picked} LIMIT %(limit)s OFFSET %(offset)s"
    query = f"{_BY_NUMBER} WHERE a.id = ANY(ARRAY({limited})) ORDER BY {_ORDER}"
    return query.encode()


def _total_of(where: str) -> bytes:
    return f"SELECT count(*) FROM alarms a WHERE {where}".encode()  # noqa: S608 - our own words


_PAGES: Final = {True: _page_of(f"{_OPEN_ONLY} AND {_WHERE}"), False: _page_of(_WHERE)}
_TOTALS: Final = {True: _total_of(f"{_OPEN_ONLY} AND {_WHERE}"), False: _total_of(_WHERE)}


@dataclass(frozen=True)
class Lists:
    """Reads lists of alarms."""

    pool: Pool
    vault: Vault
    definitions: Definitions

    async def find(
        self, wanted: Filter = Filter(), *, limit: int = 50, offset: int = 0
    ) -> AlarmPage:
        """Return rows of a list: unanswered first, then the most urgent, then the newest.

        The first-out of an incident stands where its most urgent alarm would, before it.
        """
        given = self._given(wanted) | {"limit": min(limit, MOST_ROWS), "offset": offset}
        only_open = wanted.states <= OPEN
        async with connection(self.pool) as conn:
            found = await conn.execute(_PAGES[only_open], given, binary=True)
            rows = await found.fetchall()
            row = await (await conn.execute(_TOTALS[only_open], given)).fetchone()
        return AlarmPage(tuple(await self._seen(rows)), row[0] if row else 0)

    async def one(self, alarm: int) -> AlarmSeen | None:
        """Return one alarm, None when there is none of this number."""
        async with connection(self.pool) as conn:
            found = await conn.execute(_ONE, [alarm], binary=True)
            rows = await found.fetchall()
        seen = await self._seen(rows)
        return seen[0] if seen else None

    async def standing(self, now_ms: int, *, limit: int = 50, offset: int = 0) -> AlarmPage:
        """Return alarms whose condition has stood for longer than a day, or as defined."""
        before_ms = now_ms - round(self.definitions.standing.over_h * 3_600_000)
        return await self.find(Filter(active_before_ms=before_ms), limit=limit, offset=offset)

    def _given(self, wanted: Filter) -> dict[str, Any]:
        return {
            "states": [state.value for state in wanted.states],
            "priorities": sorted(wanted.priorities) or None,
            "station": wanted.station,
            "scope": wanted.scope,
            "before_ms": wanted.active_before_ms,
            "like": containing(wanted.text),
            "codes": self.definitions.codes_saying(wanted.text) if wanted.text else [],
        }

    async def _seen(self, rows: Iterable[tuple[Any, ...]]) -> list[AlarmSeen]:
        found = list(rows)
        keys = {name: await self.vault.keys(name) for name in sorted({row[1] for row in found})}
        return [_seen(keys[row[1]], row, self.definitions) for row in found]


def _seen(keys: StationKeys, row: tuple[Any, ...], definitions: Definitions) -> AlarmSeen:
    number, station, scope, device, code, tag, severity, priority, class_, state, active = row[:11]
    onset_ms, raised_ms, returned_ms, received_ms, announced_ms, answered_ms, by = row[11:18]
    first_out, group_ms, cause, shelved_until_ms, actor, reason, at_ms, event, sealed = row[18:]
    rule = definitions.find(code, tag, severity)
    waits = State(state) in (State.UNACKNOWLEDGED, State.RETURNED) and announced_ms is not None
    said = _said(keys, station, event, sealed, rule)
    return AlarmSeen(
        *(number, station, scope, device, code, tag, priority, AlarmClass(class_), State(state)),
        *(active, onset_ms, raised_ms, returned_ms, received_ms, announced_ms),
        announced_ms + rule.respond_ms if waits else None,
        *(answered_ms, by or "", first_out, group_ms, cause, shelved_until_ms),
        None if actor is None else LastAct(actor, reason, at_ms),
        *said,
    )


def _said(
    keys: StationKeys, station: str, event: str, sealed: bytes | None, rule: Definition
) -> tuple[str, str, float | None, float | None, bool]:
    if sealed is None:  # noticed by the cloud itself, or by an act before it ever came
        return *rule.words(), None, None, False
    try:
        said = open_event(keys, station, event, sealed)
    except KeyStoreError:
        tell_damaged("events", station, event)
        title = rule.words()
        return f"{title.en}: damaged in the store", f"{title.zh}：存储已损坏", None, None, True
    return said.text_en, said.text_zh, said.value, said.limit, False


@dataclass(frozen=True)
class Counts:
    """How many alarms are open, for the banner and the plant tree.

    Attributes:
        open: by priority.
        active: of them, those whose condition stands.
        unanswered: of them, by priority.
        silent: shelved, suppressed, out of service: by state.
        worst: most urgent priority by (station, scope).
        by_station: active ones by station and priority.
    """

    open: Mapping[int, int]
    active: int
    unanswered: Mapping[int, int]
    silent: Mapping[State, int]
    worst: Mapping[tuple[str, str], int]
    by_station: Mapping[str, Mapping[int, int]]


_COUNTS: Final = f"""
SELECT a.station, a.scope, a.priority, a.answered, a.active, count(*)
FROM alarms a WHERE {_OPEN_ONLY} AND (%(station)s::text IS NULL OR a.station = %(station)s)
GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - our own words
_SILENT: Final = """
SELECT state, count(*) FROM alarms
WHERE state IN ('shelved', 'suppressed', 'out_of_service')
AND (%(station)s::text IS NULL OR station = %(station)s) GROUP BY state
"""


async def counts(pool: Pool, station: str | None = None) -> Counts:
    """Count what is open, of one station or of all. Reads two small indexes."""
    async with connection(pool) as conn:
        only = {"station": station}
        rows = await (await conn.execute(_COUNTS.encode(), only)).fetchall()
        silent = await (await conn.execute(_SILENT, only)).fetchall()
    opened: dict[int, int] = dict.fromkeys((1, 2, 3, 4), 0)
    unanswered = dict(opened)
    worst: dict[tuple[str, str], int] = {}
    by_station: dict[str, dict[int, int]] = {}
    standing = 0
    for name, scope, priority, answered, active, number in rows:
        worst[name, scope] = min(priority, worst.get((name, scope), priority))
        own = by_station.setdefault(name, {})
        own[priority] = own.get(priority, 0) + (number if active else 0)
        standing += number if active else 0
        opened[priority] += number
        unanswered[priority] += 0 if answered else number
    of_state = {State(state): n for state, n in silent}
    return Counts(opened, standing, unanswered, of_state, worst, by_station)
