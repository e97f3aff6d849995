"""The course of alarms over time: what was raised, page by page, and how many in each ten minutes.

Both count what people could see, at the moment when they first could: an hour without the cloud is
in the order of the devices' clocks at the time it arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.alarms.definitions import Definitions
from cloud.db import Pool, connection, containing
from cloud.errors import KeyStoreError
from cloud.vault.rows import open_event, tell_damaged
from cloud.vault.vault import Vault

MOST_ROWS: Final = 500


@dataclass(frozen=True)
class Past:
    """One time that an alarm was raised, and what became of it.

    Attributes:
        alarm: its number.
        onset_ms, returned_ms: by the device's clock; returned_ms None while it stands.
        acknowledged_ms, acknowledged_by: of the first acknowledgement.
        text_en, text_zh: what it said when it came; a damaged one is told by its definition.
    """

    alarm: int
    station: str
    device: str
    code: str
    tag: str
    priority: int
    onset_ms: int
    returned_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str
    text_en: str
    text_zh: str

    def text(self, language: str) -> str:
        """What was wrong, in the reader's language, beginning with a capital."""
        text = self.text_zh if language.startswith("zh") else self.text_en
        return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class PastPage:
    """Some rows, newest first, and how many there are."""

    rows: tuple[Past, ...]
    total: int


_WHERE: Final = """
o.announced_ms IS NOT NULL
AND (%(like)s::text IS NULL OR a.code = ANY(%(codes)s) OR a.station ILIKE %(like)s
     OR a.device ILIKE %(like)s OR a.code ILIKE %(like)s OR a.tag ILIKE %(like)s)
"""
_PAGE: Final = f"""
SELECT a.id, a.station, a.device, a.code, a.tag, a.priority, o.onset_ms, o.returned_ms,
       o.acknowledged_ms, o.acknowledged_by, a.severity, o.event, e.sealed
FROM (
    SELECT o.alarm, o.onset_ms FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
    WHERE {_WHERE}
    ORDER BY o.announced_ms DESC, o.onset_ms DESC, o.alarm LIMIT %(limit)s OFFSET %(offset)s
) AS p
JOIN alarm_occurrences o ON (o.alarm, o.onset_ms) = (p.alarm, p.onset_ms)
JOIN alarms a ON a.id = o.alarm
LEFT JOIN events e ON (e.station, e.id) = (a.station, o.event)
ORDER BY o.announced_ms DESC, o.onset_ms DESC, o.alarm
"""  # noqa: S608 - our own words
_TOTAL: Final = f"""
SELECT count(*) FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm WHERE {_WHERE}
"""  # noqa: S608 - as above


async def raised(
    pool: Pool,
    vault: Vault,
    definitions: Definitions,
    *,
    text: str = "",
    limit: int = 100,
    offset: int = 0,
) -> PastPage:
    """Return alarms of the past, those that still stand among them, newest first.

    Args:
        pool: of the database.
        vault: opens what they said.
        definitions: what the codes mean.
        text: part of station, device, code, tag, or of what the definition says.
        limit: most rows.
        offset: rows to leave out before.
    """
    given: dict[str, Any] = {
        "like": containing(text),
        "codes": definitions.codes_saying(text) if text else [],
        "limit": min(limit, MOST_ROWS),
        "offset": offset,
    }
    async with connection(pool) as conn:
        rows = await (await conn.execute(_PAGE.encode(), given, binary=True)).fetchall()
        total = await (await conn.execute(_TOTAL.encode(), given)).fetchone()
    keys = {name: await vault.keys(name) for name in sorted({row[1] for row in rows})}

    def past(row: Sequence[Any]) -> Past:
        facts, (severity, event, sealed) = row[:10], row[10:]
        title = definitions.find(row[3], row[4], severity).words()
        texts = title.en, title.zh
        if sealed is not None:
            try:
                said = open_event(keys[row[1]], row[1], event, sealed)
                texts = said.text_en, said.text_zh
            except KeyStoreError:
                tell_damaged("events", row[1], event)
        return Past(*(*facts, *texts))

    return PastPage(tuple(past(row) for row in rows), total[0] if total else 0)


_RATES: Final = """
SELECT (announced_ms - %(start_ms)s) / %(step_ms)s, count(*) FROM alarm_occurrences
WHERE announced_ms >= %(start_ms)s AND announced_ms < %(end_ms)s GROUP BY 1
"""


async def rates(pool: Pool, start_ms: int, end_ms: int, step_ms: int) -> list[int]:
    """Return how many alarms were announced in each step of [start_ms, end_ms)."""
    given = {"start_ms": start_ms, "end_ms": end_ms, "step_ms": step_ms}
    async with connection(pool) as conn:
        bins = dict(await (await conn.execute(_RATES, given)).fetchall())
    return [bins.get(i, 0) for i in range(-(-(end_ms - start_ms) // step_ms))]
