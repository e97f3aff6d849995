"""The outbox at work: rows are written when an alarm is announced, and sent when they are due.

A row is there once, whatever breaks off when. Whoever sends it takes it for a minute first; one
that dies in between leaves it to be sent again: a message may come twice, never not at all. A
receiver that does not answer is tried again, ever more rarely, and is shown as dead meanwhile.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.alarms.channels import NotDelivered, deliver
from cloud.alarms.definitions import BID_CODES, Definitions
from cloud.alarms.messages import Due, compose
from cloud.alarms.outbox import Announced, plan, retry_ms
from cloud.config_alarms import ChannelSection, NotificationsSection
from cloud.db import Pool, connection
from cloud.errors import KeyStoreError
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import Vault

_PLANNED: Final = 2_000
_SENT_TOGETHER: Final = 500
_TAKEN_MS: Final = 60_000
"""Longer than the time-outs of a channel together; then somebody else may send."""
_DAY_MS: Final = 24 * 3_600_000
_TOO_OLD_MS: Final = _DAY_MS
"""What was announced longer ago is history when it is seen first, as after an upgrade."""
_LOOKED_BACK_MS: Final = 7 * _DAY_MS
"""How far the health of a channel looks back."""
_URGENT: Final = 2
"""Alarms up to this priority are told though they have returned meanwhile."""

_NEW: Final = """
SELECT o.alarm, o.onset_ms, o.announced_ms, o.station, a.priority, a.class, a.code, a.tag,
       a.severity
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE NOT o.planned AND o.announced_ms IS NOT NULL
ORDER BY o.announced_ms LIMIT %s FOR UPDATE OF o SKIP LOCKED
"""
_ENTER: Final = """
INSERT INTO alarm_outbox (alarm, onset_ms, channel, step, due_ms)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::smallint[], %s::bigint[])
ON CONFLICT DO NOTHING
"""
_DONE: Final = """
UPDATE alarm_occurrences o SET planned = true
FROM unnest(%s::bigint[], %s::bigint[]) AS w(alarm, onset_ms)
WHERE (o.alarm, o.onset_ms) = (w.alarm, w.onset_ms)
"""
_TAKE: Final = """
UPDATE alarm_outbox SET attempts = attempts + 1, due_ms = %(until_ms)s WHERE id IN (
    SELECT id FROM alarm_outbox
    WHERE status = 'waiting' AND channel = %(channel)s AND due_ms <= %(now_ms)s
    ORDER BY due_ms LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, alarm, onset_ms, step, attempts
"""
_LOOK: Final = """
SELECT w.id, a.id, a.station, s.name, s.name_zh, s.timezone, a.device, a.code, a.tag, a.severity,
       a.priority, a.state, o.onset_ms, a.onset_ms, o.acknowledged_ms, o.returned_ms, e.id, e.sealed
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS w(id, alarm, onset_ms)
LEFT JOIN alarm_occurrences o ON (o.alarm, o.onset_ms) = (w.alarm, w.onset_ms)
LEFT JOIN alarms a ON a.id = o.alarm
LEFT JOIN stations s ON s.id = a.station
LEFT JOIN events e ON (e.station, e.id) = (o.station, o.event)
"""
_SETTLE: Final = """
UPDATE alarm_outbox SET status = %(status)s, settled_ms = %(now_ms)s, error = ''
WHERE id = ANY(%(id)s)
"""
_FAIL: Final = """
UPDATE alarm_outbox x SET due_ms = w.due_ms, error = %(error)s,
    failed_ms = coalesce(x.failed_ms, %(now_ms)s),
    status = CASE WHEN %(now_ms)s - coalesce(x.failed_ms, %(now_ms)s) > %(give_up_ms)s
             THEN 'given_up' ELSE 'waiting' END
FROM unnest(%(id)s::bigint[], %(due_ms)s::bigint[]) AS w(id, due_ms) WHERE x.id = w.id
"""


@dataclass(frozen=True)
class _Taken:
    """A row of the outbox that this process sends."""

    id: int
    step: int
    attempts: int


@dataclass(frozen=True)
class Notifier:
    """Writes and sends the outbox."""

    pool: Pool
    vault: Vault
    definitions: Definitions
    section: NotificationsSection

    async def plan(self, now_ms: int) -> int:
        """Write rows for alarms that have been announced; return how many alarms."""
        planned, more = 0, True
        while more:
            async with connection(self.pool) as conn, conn.transaction():
                rows = await (await conn.execute(_NEW, [_PLANNED])).fetchall()
                alarms = [self._announced(row) for row in rows if now_ms - row[2] <= _TOO_OLD_MS]
                entered = plan(alarms, self.section)
                if entered:
                    facts = [(r.alarm, r.onset_ms, r.channel, r.step, r.due_ms) for r in entered]
                    await conn.execute(_ENTER, [list(c) for c in zip(*facts, strict=True)])
                if rows:
                    await conn.execute(_DONE, [[row[0] for row in rows], [row[1] for row in rows]])
            planned += len(rows)
            more = len(rows) == _PLANNED
        return planned

    def _announced(self, row: Sequence[Any]) -> Announced:
        alarm, onset_ms, announced_ms, station, priority, class_, code, tag, severity = row
        respond_ms = self.definitions.find(code, tag, severity).respond_ms
        return Announced(alarm, onset_ms, announced_ms, station, priority, class_, respond_ms)

    async def send(self, channel: ChannelSection, now_ms: int) -> int:
        """Send what is due on a channel as one message; return how many alarms it told.

        Raises:
            NotDelivered: the receiver did not take it; it is tried again by and by.
        """
        async with connection(self.pool) as conn:
            given = {
                "channel": channel.name,
                "now_ms": now_ms,
                "until_ms": now_ms + _TAKEN_MS,
                "limit": _SENT_TOGETHER,
            }
            rows = await (await conn.execute(_TAKE, given)).fetchall()
        if not rows:
            return 0
        taken = {row[0]: _Taken(row[0], row[3], row[4]) for row in rows}
        due = await self._due(rows, taken)
        await self._settle(sorted(taken.keys() - due.keys()), "not_needed", now_ms)
        if not due:
            return 0
        message = compose(list(due.values()), channel.language, self.section.console_url)
        try:
            await deliver(channel, message)
        except NotDelivered as error:
            await self._fail([taken[number] for number in due], str(error), now_ms)
            raise
        await self._settle(sorted(due), "sent", now_ms)
        return len(due)

    async def _due(self, rows: Sequence[Any], taken: dict[int, _Taken]) -> dict[int, Due]:
        """Return what is still worth telling of the rows taken, by their numbers."""
        asked = [[row[i] for row in rows] for i in (0, 1, 2)]
        async with connection(self.pool) as conn:
            found = await (await conn.execute(_LOOK, asked, binary=True)).fetchall()
        due: dict[int, Due] = {}
        for row in found:
            if _matters(row):
                due[row[0]] = await self._described(row, taken[row[0]].step)
        return due

    async def _described(self, row: Sequence[Any], step: int) -> Due:
        _, alarm, station, name, name_zh, zone, device, code, tag, severity, priority = row[:11]
        onset_ms, returned_ms, event, sealed = row[12], row[15], row[16], row[17]
        rule = self.definitions.find(code, tag, severity)
        text_en, text_zh = rule.words()
        value = limit = None
        if sealed is not None:
            try:
                said = open_event(await self.vault.keys(station), station, event, sealed)
            except KeyStoreError:
                tell_damaged("events", station, event)
            else:
                text_en, text_zh, value, limit = said.text_en, said.text_zh, said.value, said.limit
        where = tag if code in BID_CODES else device
        return Due(
            *(alarm, name, name_zh, zone, where, rule, priority, onset_ms),
            *(returned_ms is not None, text_en, text_zh, value, limit, step),
        )

    async def _settle(self, ids: Sequence[int], status: str, now_ms: int) -> None:
        if ids:
            async with connection(self.pool) as conn:
                await conn.execute(_SETTLE, {"id": list(ids), "status": status, "now_ms": now_ms})

    async def _fail(self, rows: Sequence[_Taken], error: str, now_ms: int) -> None:
        given = {
            "id": [row.id for row in rows],
            "due_ms": [now_ms + retry_ms(row.attempts) for row in rows],
            "error": error,
            "now_ms": now_ms,
            "give_up_ms": round(self.section.give_up_after_h * 3_600_000),
        }
        async with connection(self.pool) as conn:
            await conn.execute(_FAIL, given)


def _matters(row: Sequence[Any]) -> bool:
    """Whether an alarm is still worth telling when its row is due."""
    alarm, priority, state, onset_ms, newest_ms, answered_ms, returned_ms = (
        *(row[1], *row[10:15]),
        row[15],
    )
    if alarm is None or answered_ms is not None or onset_ms != newest_ms:
        return False
    if state in ("shelved", "suppressed", "out_of_service"):
        return False
    return returned_ms is None or priority <= _URGENT


@dataclass(frozen=True)
class ChannelHealth:
    """How a channel does.

    Attributes:
        waiting: messages that are due and not taken yet, or will be; by escalation most never are.
        failing_since_ms: since when it has taken nothing; None: it does, or nothing was due.
        error: what its receiver said last.
        sent_ms: when it took the last message.
        given_up: messages of the last week that it never took.
    """

    name: str
    kind: str
    waiting: int
    failing_since_ms: int | None
    error: str
    sent_ms: int | None
    given_up: int


_HEALTH: Final = """
SELECT channel, count(*) FILTER (WHERE status = 'waiting'),
       min(failed_ms) FILTER (WHERE status = 'waiting'),
       (array_agg(error ORDER BY due_ms DESC) FILTER (WHERE status = 'waiting' AND error <> ''))[1],
       max(settled_ms) FILTER (WHERE status = 'sent'),
       count(*) FILTER (WHERE status = 'given_up' AND due_ms > %(week_ms)s)
FROM alarm_outbox
WHERE status = 'waiting' OR settled_ms > %(week_ms)s
   OR (status = 'given_up' AND due_ms > %(week_ms)s)
GROUP BY channel
"""


async def health(
    pool: Pool, section: NotificationsSection, now_ms: int
) -> tuple[ChannelHealth, ...]:
    """Return how every channel does, those that were never used among them."""
    week_ms = now_ms - _LOOKED_BACK_MS
    async with connection(pool) as conn:
        rows = await (await conn.execute(_HEALTH, {"week_ms": week_ms})).fetchall()
    found: dict[str, Any] = defaultdict(lambda: (0, None, None, None, 0))
    found.update({row[0]: row[1:] for row in rows})
    healths = []
    for channel in section.channels:
        waiting, failing_ms, error, sent_ms, given_up = found[channel.name]
        healths.append(
            ChannelHealth(
                *(channel.name, channel.kind, waiting, failing_ms, error or "", sent_ms, given_up)
            )
        )
    return tuple(healths)
