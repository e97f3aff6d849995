"""What a station has commanded, newest first, page by page.

The order is total: commands by the time of their issue, those of one millisecond by their id. So
a page that begins after the last command of the page before repeats none, whatever arrives
meanwhile; one that comes late is found by asking again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from cloud.alarms import Cursor
from cloud.commands.content import CommandContent, open_command
from cloud.db import Pool, connection
from cloud.errors import BadQuery, KeyStoreError
from cloud.vault.rows import tell_damaged
from cloud.vault.vault import StationKeys, Vault
from contract.commands import CommandState

_NEWEST: Final[LiteralString] = (
    "SELECT id, device, point, source, state, issued_ms, accepted_ms, settled_ms, sealed"
    " FROM commands WHERE {where}"
)
_CONDITIONS: Final[dict[str, LiteralString]] = {
    "device": "device = %(device)s",
    "source": "source = %(source)s",
}
_OF_STATE: Final[dict[CommandState, LiteralString]] = {
    CommandState.ISSUED: "state = 'issued'",
    CommandState.ACCEPTED: "state = 'accepted'",
    CommandState.DELIVERED: "state = 'delivered'",
    CommandState.FAILED: "state = 'failed'",
    CommandState.SUPERSEDED: "state = 'superseded'",
    CommandState.UNKNOWN: "state = 'unknown'",
}
"""Written out, so that the planner sees when the index of what went wrong serves."""


@dataclass(frozen=True)
class Asked:
    """Which commands: issued in [start_ms, end_ms), and of one device, source or state only.

    Raises:
        BadQuery: no device or source can have such a name.
    """

    station: str
    start_ms: int
    end_ms: int
    device: str | None = None
    source: str | None = None
    state: CommandState | None = None

    def __post_init__(self) -> None:
        """Refuse names that the database could not even compare."""
        for key, name in (("device", self.device), ("source", self.source)):
            if name is not None and not name.isprintable():
                raise BadQuery(f"{key}={name!r} has characters that are not printable")

    def where(self) -> LiteralString:
        """The condition in SQL; its parameters are this object's fields."""
        parts: list[LiteralString] = [
            "station = %(station)s AND issued_ms >= %(start_ms)s AND issued_ms < %(end_ms)s"
        ]
        parts += [sql for name, sql in _CONDITIONS.items() if getattr(self, name) is not None]
        if self.state is not None:
            parts.append(_OF_STATE[self.state])
        return " AND ".join(parts)

    def values(self) -> dict[str, Any]:
        """The parameters of `where`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "state"}


@dataclass(frozen=True)
class PastCommand:
    """One command; `content` is None when its row is damaged. Times: 0 where not reached."""

    id: str
    device: str
    point: str
    source: str
    state: CommandState
    issued_ms: int
    accepted_ms: int
    settled_ms: int
    content: CommandContent | None


@dataclass(frozen=True)
class CommandPage:
    """Commands, newest first; `following` is where the next page begins, None after the last."""

    commands: tuple[PastCommand, ...]
    following: Cursor | None


async def past_commands(
    pool: Pool, vault: Vault, asked: Asked, *, limit: int, before: Cursor | None = None
) -> CommandPage:
    """Return at most `limit` of the asked commands that follow `before`."""
    sql: LiteralString = _NEWEST.replace("{where}", asked.where())
    values = asked.values() | {"limit": limit + 1}
    if before is not None:
        sql += " AND (issued_ms, id) < (%(before_ms)s::bigint, %(before_id)s::text)"
        values |= {"before_ms": before.at_ms, "before_id": before.id}
    sql += " ORDER BY issued_ms DESC, id DESC LIMIT %(limit)s"
    async with connection(pool) as conn:
        rows = await (await conn.execute(sql, values, binary=True)).fetchall()
    keys = await vault.keys(asked.station)
    found = tuple(_command(keys, asked.station, row) for row in rows[:limit])
    more = len(rows) > limit
    return CommandPage(found, Cursor(found[-1].issued_ms, found[-1].id) if more else None)


def _command(keys: StationKeys, station: str, row: Sequence[Any]) -> PastCommand:
    command_id, device, point, source, state, issued_ms, accepted_ms, settled_ms, sealed = row
    try:
        content = open_command(keys, station, issued_ms, command_id, sealed)
    except KeyStoreError:
        tell_damaged("commands", station, str(issued_ms), command_id)
        content = None
    return PastCommand(
        *(command_id, device, point, source, CommandState(state)),
        *(issued_ms, accepted_ms, settled_ms, content),
    )
