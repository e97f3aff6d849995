"""Which conditions stand at this moment.

An event is one edge of a condition: the newest event of a (station, device, code, tag) says
whether it stands; what it says is sealed in the table, and only what stands is opened. Priorities
are those of ISA-18.2: 1 is the most urgent. Information (severity 1 of the contract) is no alarm
and is left out. A lost link is noticed here, because no station can tell it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud.db import Pool, connection
from cloud.errors import KeyStoreError
from cloud.fleet import LINK_LIMIT_MS, link_lost
from cloud.vault.rows import EventContent, open_event, tell_damaged
from cloud.vault.vault import StationKeys, Vault
from contract.events import Severity

LINK_LOST = "cloud.link_lost"
_LINK_PRIORITY = 2
_MOST_SEVERE = int(max(Severity))

_STANDING = """
SELECT DISTINCT ON (station, device, code, tag)
    station, device, code, severity, active, at_ms, id, sealed
FROM events
WHERE (%(station)s::text IS NULL OR station = %(station)s) AND severity > %(least)s
ORDER BY station, device, code, tag, at_ms DESC, received_at DESC
"""


@dataclass(frozen=True)
class Alarm:
    """A standing condition. `priority` 1 (most urgent) to 4; `since_ms` by the device's clock.

    Of a `damaged` one what is sealed cannot be opened: its texts name its code, it has no value.
    """

    station: str
    device: str
    code: str
    priority: int
    since_ms: int
    text_en: str
    text_zh: str
    value: float | None = None
    limit: float | None = None
    damaged: bool = False

    def text(self, language: str) -> str:
        """What is wrong, in the reader's language, beginning with a capital."""
        text = self.text_zh if language.startswith("zh") else self.text_en
        return text if self.damaged else text[:1].upper() + text[1:]


async def of_stations(pool: Pool, vault: Vault, station: str | None = None) -> list[Alarm]:
    """Standing alarms of one station, or of all; most urgent first, then newest."""
    asked = {"station": station, "least": int(Severity.INFORMATION)}
    async with connection(pool) as conn:
        rows = await (await conn.execute(_STANDING, asked, binary=True)).fetchall()
    standing = [row for row in rows if row[4]]
    keys = {name: await vault.keys(name) for name in sorted({row[0] for row in standing})}
    return in_order([_alarm(keys[row[0]], row) for row in standing])


def of_links(newest: Sequence[tuple[str, int | None]], now_ms: int) -> list[Alarm]:
    """One alarm for each station whose link is lost.

    Args:
        newest: (station, when its newest image arrived); None before the first, which is no alarm:
            a station that has never reported is being built.
        now_ms: the present.
    """
    return [
        Alarm(
            station,
            "",
            LINK_LOST,
            _LINK_PRIORITY,
            received_ms,
            "Link lost, no fresh data",
            "通信中断，无新数据",
            value=(now_ms - received_ms) / 1e3,
            limit=LINK_LIMIT_MS / 1e3,
        )
        for station, received_ms in newest
        if received_ms is not None and link_lost(received_ms, now_ms)
    ]


def _alarm(keys: StationKeys, row: tuple[Any, ...]) -> Alarm:
    station, device, code, severity, _, at_ms, event_id, sealed = row
    priority = _MOST_SEVERE + 1 - severity
    damaged = False
    try:
        said = open_event(keys, station, event_id, sealed)
    except KeyStoreError:
        tell_damaged("events", station, event_id)
        said = EventContent(f"{code}: damaged in the store", f"{code}：存储已损坏", None, None)
        damaged = True
    return Alarm(
        *(station, device, code, priority, at_ms),
        *(said.text_en, said.text_zh, said.value, said.limit, damaged),
    )


def in_order(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Most urgent first, then newest."""
    return sorted(alarms, key=lambda alarm: (alarm.priority, -alarm.since_ms))
