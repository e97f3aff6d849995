"""Events of the past: everything that appeared or cleared in a range, page by page.

The order is total: newest first by the device's clock, events of one millisecond by their id. So
a page that begins after the last event of the page before misses none and repeats none, whatever
arrives meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud.db import Pool, connection
from cloud.errors import BadQuery, KeyStoreError
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import StationKeys, Vault
from contract.events import Severity

_MOST_SEVERE = int(max(Severity))
_PAGE = """
SELECT id, device, code, severity, active, at_ms, sealed FROM events
WHERE station = %(station)s AND at_ms >= %(start_ms)s AND at_ms < %(end_ms)s
  AND (%(at_ms)s::bigint IS NULL OR (at_ms, id) < (%(at_ms)s::bigint, %(id)s::text))
ORDER BY at_ms DESC, id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True)
class PastEvent:
    """One edge of a condition: it appeared (`active`) or cleared.

    Attributes:
        priority: 1 (most urgent) to 3; None for information, which is no alarm.
        at_ms: by the device's clock.
        value, limit: in the unit of the signal concerned.
    """

    id: str
    device: str
    code: str
    priority: int | None
    active: bool
    at_ms: int
    text_en: str
    text_zh: str
    value: float | None
    limit: float | None


@dataclass(frozen=True)
class Cursor:
    """The event after which a page begins."""

    at_ms: int
    id: str

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what `str` wrote.

        Raises:
            BadQuery: another form.
        """
        at_ms, _, event_id = text.partition(":")
        is_time = at_ms.isascii() and at_ms.isdecimal() and len(at_ms) <= len(str(1 << 53))
        if not (is_time and event_id.isprintable()):
            raise BadQuery(f"before={text!r}: take `next` of the page before")
        return cls(int(at_ms), event_id)

    def __str__(self) -> str:
        return f"{self.at_ms}:{self.id}"


@dataclass(frozen=True)
class EventPage:
    """Events, newest first; `following` is where the next page begins, None after the last.

    `damaged` are ids of events that cannot be opened; they are left out.
    """

    events: tuple[PastEvent, ...]
    following: Cursor | None
    damaged: tuple[str, ...]


async def between(
    pool: Pool,
    vault: Vault,
    station: str,
    start_ms: int,
    end_ms: int,
    *,
    limit: int,
    before: Cursor | None = None,
) -> EventPage:
    """Return at most `limit` events of a station in [start_ms, end_ms) that follow `before`."""
    asked = {
        "station": station,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "at_ms": None if before is None else before.at_ms,
        "id": None if before is None else before.id,
        "limit": limit + 1,
    }
    async with connection(pool) as conn:
        rows = await (await conn.execute(_PAGE, asked, binary=True)).fetchall()
    keys = await vault.keys(station)
    return _page(keys, station, rows, limit)


def _page(
    keys: StationKeys, station: str, rows: Sequence[tuple[Any, ...]], limit: int
) -> EventPage:
    found: list[PastEvent] = []
    damaged: list[str] = []
    for event_id, device, code, severity, active, at_ms, sealed in rows[:limit]:
        try:
            said = open_event(keys, station, event_id, sealed)
        except KeyStoreError:
            tell_damaged("events", station, event_id)
            damaged.append(event_id)
            continue
        alarming = severity > Severity.INFORMATION
        priority = _MOST_SEVERE + 1 - severity if alarming else None
        found.append(
            PastEvent(
                *(event_id, device, code, priority, active, at_ms),
                *(said.text_en, said.text_zh, said.value, said.limit),
            )
        )
    more = len(rows) > limit
    following = Cursor(rows[limit - 1][5], rows[limit - 1][0]) if more else None
    return EventPage(tuple(found), following, tuple(damaged))
