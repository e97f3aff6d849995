"""What the engine writes: what has been told of alarms, over what was stored of the same time.

The journal is only ever appended to: a row that late data show to be wrong is withdrawn by another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from cloud.alarms.definitions import Definition
from cloud.alarms.fold import History, Start, life_to_json
from cloud.alarms.states import Transition
from cloud.alarms.store import Connection, KeptPeriod, Known
from contract.tags import container_of

_SAVE: Final = """
UPDATE alarms a SET state = w.state, active = w.active, onset_ms = w.onset_ms,
    event = coalesce((SELECT o.event FROM alarm_occurrences o
                      WHERE (o.alarm, o.onset_ms) = (w.id, w.onset_ms)), ''),
    changed_ms = coalesce(w.changed_ms, (
        SELECT max(j.at_ms) FROM alarm_journal j
        WHERE j.alarm = w.id AND j.withdraws IS NULL
          AND NOT EXISTS (SELECT FROM alarm_journal x WHERE x.withdraws = j.id)), 0),
    shelved_until_ms = w.shelved_until_ms, due_ms = w.due_ms, life = w.life,
    mark_ms = w.mark_ms, mark_life = w.mark_life,
    priority = w.priority, class = w.class
FROM unnest(%(id)s::bigint[], %(state)s::text[], %(active)s::boolean[], %(onset_ms)s::bigint[],
    %(changed_ms)s::bigint[], %(shelved_until_ms)s::bigint[],
    %(due_ms)s::bigint[], %(life)s::jsonb[], %(mark_ms)s::bigint[], %(mark_life)s::jsonb[],
    %(priority)s::smallint[], %(class)s::text[])
    AS w(id, state, active, onset_ms, changed_ms, shelved_until_ms, due_ms, life, mark_ms,
         mark_life, priority, class)
WHERE a.id = w.id
"""
_SAVE_OCCURRENCES: Final = """
INSERT INTO alarm_occurrences AS o (alarm, onset_ms, station, scope, raised_ms, event, received_ms,
    cleared_ms, returned_ms, cleared_event, shown_ms, announced_ms, acknowledged_ms,
    acknowledged_by, before)
SELECT w.alarm, w.onset_ms, %(station)s, w.scope, w.raised_ms, w.event, w.received_ms, w.cleared_ms,
    w.returned_ms, w.cleared_event, w.shown_ms, w.announced_ms, w.acknowledged_ms,
    w.acknowledged_by, w.before
FROM unnest(%(alarm)s::bigint[], %(onset_ms)s::bigint[], %(scope)s::text[], %(raised_ms)s::bigint[],
    %(event)s::text[], %(received_ms)s::bigint[], %(cleared_ms)s::bigint[],
    %(returned_ms)s::bigint[], %(cleared_event)s::text[], %(shown_ms)s::bigint[],
    %(announced_ms)s::bigint[], %(acknowledged_ms)s::bigint[], %(acknowledged_by)s::text[],
    %(before)s::jsonb[])
    AS w(alarm, onset_ms, scope, raised_ms, event, received_ms, cleared_ms, returned_ms,
         cleared_event, shown_ms, announced_ms, acknowledged_ms, acknowledged_by, before)
ON CONFLICT (alarm, onset_ms) DO UPDATE SET raised_ms = excluded.raised_ms, event = excluded.event,
    received_ms = excluded.received_ms, cleared_ms = excluded.cleared_ms,
    returned_ms = excluded.returned_ms, cleared_event = excluded.cleared_event,
    shown_ms = excluded.shown_ms, announced_ms = excluded.announced_ms,
    acknowledged_ms = excluded.acknowledged_ms, acknowledged_by = excluded.acknowledged_by,
    before = excluded.before
"""
_DROP_OCCURRENCES: Final = """
DELETE FROM alarm_occurrences o USING unnest(%s::bigint[], %s::bigint[]) AS w(alarm, onset_ms)
WHERE (o.alarm, o.onset_ms) = (w.alarm, w.onset_ms)
"""
_ANSWER: Final = """
UPDATE alarm_occurrences SET shown_ms = coalesce(shown_ms, %(shown_ms)s),
    announced_ms = coalesce(announced_ms, greatest(%(shown_ms)s::bigint, received_ms)),
    acknowledged_ms = coalesce(acknowledged_ms, %(at_ms)s),
    acknowledged_by = CASE WHEN acknowledged_ms IS NULL THEN %(by)s ELSE acknowledged_by END
WHERE alarm = %(alarm)s AND onset_ms = %(onset_ms)s
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm with its history since its start, and what was stored of that time."""

    known: Known
    rule: Definition
    start: Start
    history: History
    kept: Sequence[KeptPeriod]


async def save(conn: Connection, station: str, told: Sequence[Told]) -> None:
    """Write the histories of alarms over what was stored since their starts."""
    await _save_occurrences(conn, station, told)
    await _save_journal(conn, told)
    rows = [_row(one) for one in told]
    await conn.execute(_SAVE, {name: [row[name] for row in rows] for name in rows[0]})


def _row(one: Told) -> dict[str, Any]:
    history, life = one.history, one.history.life
    mark = history.mark
    start = one.start if one.start.at_ms else None
    mark = mark or start
    return {
        "id": one.known.id,
        "state": life.state.value,
        "active": life.active,
        "onset_ms": life.onset_ms,
        "changed_ms": history.journal[-1].at_ms if history.journal else None,
        "shelved_until_ms": life.shelved_until_ms,
        "due_ms": history.due_ms,
        "life": Jsonb(life_to_json(life)),
        "mark_ms": mark.at_ms if mark else None,
        "mark_life": Jsonb(life_to_json(mark.life)) if mark else None,
        "priority": one.rule.priority,
        "class": one.rule.class_.value,
    }


async def _save_occurrences(conn: Connection, station: str, told: Sequence[Told]) -> None:
    gone: list[tuple[int, int]] = []
    rows: list[dict[str, Any]] = []
    for one in told:
        onsets = {occurrence.period.onset_ms for occurrence in one.history.occurrences}
        gone += [(k.alarm, k.onset_ms) for k in one.kept if k.onset_ms not in onsets]
        for occurrence in one.history.occurrences:
            period, before = occurrence.period, occurrence.before
            rows.append(
                {
                    "alarm": one.known.id,
                    "onset_ms": period.onset_ms,
                    "scope": container_of(one.known.device),
                    "raised_ms": period.raised_ms,
                    "event": period.event,
                    "received_ms": period.received_ms,
                    "cleared_ms": period.cleared_ms,
                    "returned_ms": period.returned_ms,
                    "cleared_event": period.cleared_event,
                    "shown_ms": occurrence.shown_ms,
                    "announced_ms": occurrence.announced_ms,
                    "acknowledged_ms": occurrence.acknowledged_ms,
                    "acknowledged_by": occurrence.acknowledged_by,
                    "before": None if before is None else Jsonb(life_to_json(before)),
                }
            )
        for onset_ms, (shown_ms, at_ms, by) in one.history.answers.items():
            facts = {"shown_ms": shown_ms, "at_ms": at_ms, "by": by}
            await conn.execute(_ANSWER, facts | {"alarm": one.known.id, "onset_ms": onset_ms})
    if gone:
        await conn.execute(_DROP_OCCURRENCES, [list(column) for column in zip(*gone, strict=True)])
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        await conn.execute(_SAVE_OCCURRENCES, columns | {"station": station})


_JOURNAL: Final = """
SELECT j.id, j.alarm, j.at_ms, j.place, j.change, j.state, j.onset_ms, j.event, j.act
FROM alarm_journal j JOIN unnest(%s::bigint[], %s::bigint[]) AS w(alarm, start_ms)
  ON j.alarm = w.alarm AND j.at_ms >= w.start_ms
WHERE j.withdraws IS NULL AND NOT EXISTS (SELECT FROM alarm_journal x WHERE x.withdraws = j.id)
"""
_TELL: Final = """
INSERT INTO alarm_journal (alarm, at_ms, place, change, state, onset_ms, event, act)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::text[], %s::text[],
    %s::bigint[], %s::text[], %s::bigint[])
"""
_WITHDRAW: Final = """
INSERT INTO alarm_journal (alarm, at_ms, place, change, state, onset_ms, event, act, withdraws)
SELECT alarm, at_ms, place, change, state, onset_ms, event, act, id FROM alarm_journal
WHERE id = ANY(%s)
"""


async def _save_journal(conn: Connection, told: Sequence[Told]) -> None:
    """Append what is not told yet, and withdraw what was told wrongly."""
    begin = [one.known.id for one in told], [one.start.at_ms for one in told]
    cursor = await conn.execute(_JOURNAL, begin)
    stored = {tuple(row[1:]): row[0] for row in await cursor.fetchall()}
    true = [row for one in told for row in journal_rows(one.known.id, one.history.journal)]
    fresh = [row for row in true if row not in stored]
    wrong = sorted(set(stored.values()) - {stored[row] for row in true if row in stored})
    if wrong:
        await conn.execute(_WITHDRAW, [wrong])
    if fresh:
        await conn.execute(_TELL, [list(column) for column in zip(*fresh, strict=True)])


JournalRow = tuple[int, int, int, str, str, int, str, int | None]


def journal_rows(alarm: int, journal: Sequence[Transition]) -> list[JournalRow]:
    """Number the rows of one alarm within each millisecond."""
    rows: list[JournalRow] = []
    place, last_ms = 0, -1
    for one in journal:
        place = place + 1 if one.at_ms == last_ms else 0
        last_ms = one.at_ms
        rows.append(
            (
                *(alarm, one.at_ms, place, one.change.value, one.state.value),
                *(one.onset_ms, one.event, one.act or None),
            )
        )
    return rows
