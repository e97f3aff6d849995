"""Kinds of alarms, each a code at a tag, and which definition holds for every one of a range.

A definition's tag is a pattern, and the first that fits counts: this is known in one place, in
`Definitions.find`. Figures that depend on it first ask which kinds there were.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cloud.alarms.definitions import Definition, Definitions
from cloud.alarms.store import Connection

RANGE: Final = """
o.announced_ms >= %(start_ms)s AND o.announced_ms < %(end_ms)s
AND (%(station)s::text IS NULL OR o.station = %(station)s)
"""
"""Occurrences `o` of the range and station asked about."""
_KINDS: Final = f"""
SELECT DISTINCT a.code, a.tag FROM alarm_occurrences o JOIN alarms a ON a.id = o.alarm
WHERE {RANGE}
"""  # noqa: S608 - our own words

Kind = tuple[str, str]
"""Code and tag."""


async def kinds(
    conn: Connection, definitions: Definitions, given: Mapping[str, Any]
) -> dict[Kind, Definition]:
    """Return the definition of every kind of alarm in a range.

    Args:
        conn: to the database.
        definitions: those in force.
        given: `start_ms`, `end_ms` and `station` of the range.
    """
    rows = await (await conn.execute(_KINDS.encode(), given)).fetchall()
    return {(code, tag): definitions.find(code, tag) for code, tag in rows}


def columns(named: Iterable[Kind]) -> dict[str, list[str]]:
    """Kinds as a query unnests them: `code` and `tag`."""
    listed = list(named)
    return {"code": [code for code, _ in listed], "tag": [tag for _, tag in listed]}
