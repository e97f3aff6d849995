"""Events as stations tell them, put into the table in bulk, and what the engine made of them."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloud.alarms.definitions import Definitions, load
from cloud.alarms.engine import Engine
from cloud.db import Pool, connection
from cloud.vault.rows import EventContent, seal_event
from cloud.vault.vault import Vault
from contract.events import EVENT_CODES

T0 = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


@dataclass(frozen=True)
class Happened:
    """One event; times in ms after T0."""

    code: str
    device: str
    at: int
    active: bool = True
    tag: str = ""
    received: int | None = None
    value: float | None = None
    limit: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


async def put(pool: Pool, vault: Vault, events: Sequence[Happened], station="haibin-1") -> None:
    """Write events in one transaction, in their order."""
    keys = await vault.keys(station)
    rows = []
    for event in events:
        kind = EVENT_CODES[event.code]
        content = EventContent(*kind.words, event.value, event.limit)
        received = T0 + (event.at if event.received is None else event.received)
        rows.append(
            (
                *(station, event.id, event.device, event.code, event.tag, int(kind.severity)),
                *(event.active, T0 + event.at),
                dt.datetime.fromtimestamp(received / 1000, dt.UTC),
                seal_event(keys, station, event.id, content),
            )
        )
    async with connection(pool) as conn, conn.transaction(), conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO events (station, id, device, code, tag, severity, active, at_ms,"
            " received_at, sealed) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %b)"
            " ON CONFLICT DO NOTHING",
            rows,
        )


def engine(pool: Pool, vault: Vault, definitions: Definitions | None = None) -> Engine:
    return Engine(pool, vault, definitions or load())


async def rows(pool: Pool, query: str, *given: object) -> list[tuple]:
    async with connection(pool) as conn:
        return await (await conn.execute(query.encode(), given)).fetchall()


async def state_of(pool: Pool, device: str, code: str, tag="", station="haibin-1") -> str:
    found = await rows(
        pool,
        "SELECT state FROM alarms WHERE (station, device, code, tag) = (%s, %s, %s, %s)",
        *(station, device, code, tag),
    )
    return found[0][0]


async def id_of(pool: Pool, device: str, code: str, tag="", station="haibin-1") -> int:
    found = await rows(
        pool,
        "SELECT id FROM alarms WHERE (station, device, code, tag) = (%s, %s, %s, %s)",
        *(station, device, code, tag),
    )
    return found[0][0]


_JOURNAL = """
SELECT a.device, a.code, a.tag, j.at_ms - %s, j.change, j.state, j.event, t.actor
FROM alarm_journal j JOIN alarms a ON a.id = j.alarm LEFT JOIN alarm_acts t ON t.id = j.act
WHERE a.station = %s AND j.withdraws IS NULL
  AND NOT EXISTS (SELECT FROM alarm_journal w WHERE w.withdraws = j.id)
ORDER BY j.at_ms, a.device, a.code, a.tag, j.place
"""
_ALARMS = """
SELECT a.device, a.code, a.tag, a.state, a.active, a.onset_ms, a.event, a.first_out,
       a.list_priority, a.due_ms, a.changed_ms, a.life, a.mark_ms, a.mark_life
FROM alarms a WHERE a.station = %s ORDER BY 1, 2, 3
"""
_OCCURRENCES = """
SELECT a.device, a.code, a.tag, o.onset_ms, o.raised_ms, o.event, o.cleared_ms, o.returned_ms,
       o.shown_ms, o.acknowledged_ms, o.group_ms, c.device, c.code, o.cause_onset_ms, o.before
FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm LEFT JOIN alarms c ON c.id = o.cause
WHERE a.station = %s ORDER BY 1, 2, 3, 4
"""


async def journal(pool: Pool, station="haibin-1") -> list[tuple]:
    return await rows(pool, _JOURNAL, T0, station)


async def everything(pool: Pool, station="haibin-1") -> dict[str, list[tuple]]:
    """All that follows from the events of a station."""
    return {
        "alarms": await rows(pool, _ALARMS, station),
        "occurrences": await rows(pool, _OCCURRENCES, station),
        "journal": await journal(pool, station),
    }
