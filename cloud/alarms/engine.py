"""The engine: what waits in the inbox becomes states, occurrences, journal and incidents.

One transaction takes rows from the inbox and writes all that follows from them, under a lock of
the station: a process that is killed has done nothing, and of several processes each works at
another station. Histories are told anew from the newest mark before what is new; so late, double
and disordered events end where punctual ones do.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cloud.alarms import incidents, saving, store
from cloud.alarms.conditions import Conditions, follow
from cloud.alarms.definitions import RESTARTED, Definition, Definitions, Within
from cloud.alarms.fold import Given, Span, Start, tell_of
from cloud.alarms.groups import place_of
from cloud.alarms.saving import Told
from cloud.alarms.store import Connection, KeptPeriod, Known
from cloud.db import Pool, connection
from cloud.errors import KeyStoreError
from cloud.vault.vault import StationKeys, Vault
from contract.tags import container_of

_log = logging.getLogger(__name__)
BATCH: Final = 2_500
"""Rows of the inbox in one transaction: well under a second, so that nobody waits long."""
_NEVER_MS: Final = 1 << 62

_STATIONS: Final = """
SELECT station FROM (SELECT DISTINCT station FROM alarm_inbox
                     UNION SELECT DISTINCT station FROM alarms WHERE due_ms <= %s) AS waiting
ORDER BY station
"""
_TAKE: Final = """
DELETE FROM alarm_inbox WHERE number IN (
    SELECT number FROM alarm_inbox WHERE station = %s ORDER BY number LIMIT %s)
RETURNING device, code, tag, severity, at_ms
"""
_DUE: Final = "SELECT id FROM alarms WHERE station = %s AND due_ms <= %s"


@dataclass(frozen=True)
class Engine:
    """Works the inbox of all stations."""

    pool: Pool
    vault: Vault
    definitions: Definitions

    async def run(self, now_ms: int) -> int:
        """Work until nothing waits that nobody else works at; return the rows taken.

        Args:
            now_ms: the present; delays and shelf lives that are over by then end.

        Raises:
            KeyStoreError: the keys of a station do not open; the others have been worked at.
        """
        async with connection(self.pool) as conn:
            found = await conn.execute(_STATIONS, [now_ms])
            stations = [row[0] for row in await found.fetchall()]
        taken = 0
        failed: KeyStoreError | None = None
        while stations:  # in turn, so that a backlog of one delays no other
            unfinished = []
            for station in stations:
                try:
                    rows = await self.work(station, now_ms)
                except KeyStoreError as error:
                    failed = failed or error
                    continue
                taken += rows
                if rows == BATCH:
                    unfinished.append(station)
            stations = unfinished
        if failed is not None:
            raise failed
        return taken

    async def work(self, station: str, now_ms: int) -> int:
        """Work at one batch of a station in one transaction; return the rows taken."""
        keys = await self.vault.keys(station)
        async with connection(self.pool) as conn, conn.transaction():
            if not await store.try_lock(conn, station):
                return 0
            found = await conn.execute(_TAKE, [station, BATCH])
            rows = await found.fetchall()
            told = [row for row in rows if row[1] != RESTARTED]
            from_ms = await self._entered(conn, station, told)
            for row in rows:
                if row[1] == RESTARTED:
                    for alarm in await store.under_way(conn, station, row[4]):
                        from_ms[alarm] = min(row[4], from_ms.get(alarm, _NEVER_MS))
            due = await conn.execute(_DUE, [station, now_ms])
            for (alarm,) in await due.fetchall():
                from_ms.setdefault(alarm, now_ms)
            await retell(Work(conn, keys, self.definitions, station, now_ms), from_ms)
        return len(rows)

    async def _entered(
        self, conn: Connection, station: str, rows: Iterable[tuple[str, str, str, int, int]]
    ) -> dict[int, int]:
        """Return since when each alarm of these rows has something new."""
        severity: dict[store.Name, int] = {}
        oldest: dict[store.Name, int] = {}
        for device, code, tag, level, at_ms in rows:
            name = device, code, tag
            severity[name] = level
            oldest[name] = min(at_ms, oldest.get(name, _NEVER_MS))
        known = await store.enter(conn, station, severity, self.definitions)
        return {known[name].id: at_ms for name, at_ms in oldest.items()}


@dataclass(frozen=True, slots=True)
class Work:
    """What telling anew needs.

    Attributes:
        conn: in a transaction under the station's lock.
        keys: open what the station's events say.
        definitions: what alarms mean.
        station: id of the station.
        now_ms: the present.
    """

    conn: Connection
    keys: StationKeys
    definitions: Definitions
    station: str
    now_ms: int


@dataclass
class _Alarm:
    """An alarm that is told anew."""

    known: Known
    rule: Definition
    start: Start
    given: Given
    conditions: Conditions
    kept: list[KeptPeriod]

    @property
    def changed_ms(self) -> int | None:
        """Since when its condition stood otherwise than was known; None: it did not."""
        now = {(p.onset_ms, p.raised_ms, p.returned_ms) for p in self.conditions.periods}
        then = {(k.onset_ms, k.raised_ms, k.returned_ms) for k in self.kept}
        times = [raised_ms for _, raised_ms, _ in now ^ then]
        return min(times, default=None)

    @property
    def oldest_ms(self) -> int:
        """Oldest onset that is or was known since the start."""
        onsets = [p.onset_ms for p in self.conditions.periods]
        return min([*onsets, *(k.onset_ms for k in self.kept)])


async def retell(work: Work, from_ms: Mapping[int, int]) -> None:
    """Tell anew what follows from news since `from_ms` of each alarm, and write it."""
    if not from_ms:
        return
    alarms = await _load(work, from_ms)
    followers = await _followers(work, alarms)
    if followers:
        alarms |= await _load(work, followers)
    suppressed = await _suppressed(work, alarms)
    told = []
    for alarm, one in alarms.items():
        given = Given(
            *(one.rule, one.start, one.given.edges, one.given.acts, suppressed.get(alarm, ()))
        )
        history = tell_of(given, one.conditions, work.now_ms)
        told.append(Told(one.known, one.rule, one.start, history, one.kept))
    await saving.save(work.conn, work.station, told)
    await _rearrange(work, alarms.values())


async def _load(work: Work, from_ms: Mapping[int, int]) -> dict[int, _Alarm]:
    known = await store.by_ids(work.conn, from_ms)
    begin = await store.starts(work.conn, known, from_ms)
    rules = {alarm: one.rule(work.definitions) for alarm, one in known.items()}
    asked = {alarm: (known[alarm], rules[alarm], begin[alarm]) for alarm in known}
    edges = await store.edges(work.conn, work.keys, work.station, asked)
    acts = await store.acts(work.conn, begin)
    kept = await store.kept(work.conn, begin)
    return {
        alarm: _Alarm(
            known[alarm],
            rules[alarm],
            begin[alarm],
            Given(rules[alarm], begin[alarm], edges[alarm], acts[alarm]),
            follow(edges[alarm], rules[alarm], work.now_ms),
            kept[alarm],
        )
        for alarm in known
    }


async def _followers(work: Work, alarms: Mapping[int, _Alarm]) -> dict[int, int]:
    """Return the other alarms that may be suppressed otherwise now, and since when."""
    since: dict[str, int] = {}
    for one in alarms.values():
        if one.changed_ms is not None:
            for code in work.definitions.followers(one.known.code):
                since[code] = min(one.changed_ms, since.get(code, _NEVER_MS))
    if not since:
        return {}
    oldest = min(since.values())
    standing = await store.standing_since(work.conn, work.station, since, oldest)
    return {
        alarm: oldest
        for alarm in standing
        if alarm not in alarms or alarms[alarm].start.at_ms >= oldest
    }


async def _suppressed(work: Work, alarms: Mapping[int, _Alarm]) -> dict[int, list[Span]]:
    """Return when each alarm follows only from another one that stands."""
    concerned = {alarm: one for alarm, one in alarms.items() if one.rule.suppress_when}
    if not concerned:
        return {}
    codes = {code for one in concerned.values() for c in one.rule.suppress_when for code in c.codes}
    since_ms = min(one.start.at_ms for one in concerned.values())
    stored = await store.cause_periods(work.conn, work.station, codes, since_ms)
    periods = [
        (device, code, raised_ms, returned_ms)
        for alarm, device, code, raised_ms, returned_ms in stored
        if alarm not in alarms or raised_ms < alarms[alarm].start.at_ms
    ]
    periods += [
        (one.known.device, one.known.code, period.raised_ms, period.returned_ms)
        for one in alarms.values()
        if one.known.code in codes
        for period in one.conditions.periods
    ]
    by_place: dict[tuple[str, Within, str], list[Span]] = {}
    for device, code, raised_ms, returned_ms in periods:
        for within in Within:
            spans = by_place.setdefault((code, within, place_of(within, device)), [])
            spans.append((raised_ms, returned_ms))
    return {
        alarm: [
            span
            for cause in one.rule.suppress_when
            for code in cause.codes
            for span in by_place.get(
                (code, cause.within, place_of(cause.within, one.known.device)), ()
            )
        ]
        for alarm, one in concerned.items()
    }


async def _rearrange(work: Work, alarms: Iterable[_Alarm]) -> None:
    changed = [one for one in alarms if one.changed_ms is not None]
    since: dict[str, int] = {}
    wide_ms: int | None = None
    for one in changed:
        scope = container_of(one.known.device)
        since[scope] = min(one.oldest_ms, since.get(scope, _NEVER_MS))
        if one.known.code in work.definitions.causes_within_station:
            wide_ms = one.oldest_ms if wide_ms is None else min(wide_ms, one.oldest_ms)
    if changed:
        found = incidents.Touched(since, wide_ms, [one.known.id for one in changed])
        await incidents.rearrange(work.conn, work.definitions, work.station, found)
