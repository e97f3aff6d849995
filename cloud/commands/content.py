"""What a command says, sealed for its row of table `commands`.

Values of set-points, who asked for them and why they failed are EMS control strategy: they are
sealed with the station's data key. Times, device, point, kind of source and state stay in clear,
for rows are found and counted by them.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from cloud.vault.rows import RowPlace
from cloud.vault.vault import StationKeys
from contract.commands import CommandRecord

_CLEAR: Final = (
    *("id", "device", "point", "source", "state", "issued_ms", "accepted_ms", "settled_ms"),
)


@dataclass(frozen=True)
class CommandContent:
    """The sealed part of a command; the fields are those of `CommandRecord`."""

    value: float
    requester: str
    bound_by: str
    reason: str
    cause_en: str
    cause_zh: str


def seal_command(keys: StationKeys, record: CommandRecord) -> bytes:
    """Return column `sealed` of a command's row."""
    content = CommandContent(
        *(record.value, record.requester, record.bound_by),
        *(record.reason, record.cause_en, record.cause_zh),
    )
    plain = json.dumps(asdict(content), ensure_ascii=False, separators=(",", ":")).encode()
    return keys.seal(_place(record.station, record.issued_ms, record.id), plain)


def open_command(
    keys: StationKeys, station: str, issued_ms: int, command_id: str, sealed: bytes
) -> CommandContent:
    """Return what a command says.

    Raises:
        KeyStoreError: it was altered, or its key is missing.
    """
    return CommandContent(**json.loads(keys.open(_place(station, issued_ms, command_id), sealed)))


def rows_of(keys: StationKeys, records: Sequence[CommandRecord]) -> list[dict[str, Any]]:
    """Return rows of table `commands`, without station, their sealed content in base64."""
    return [
        {name: getattr(record, name) for name in _CLEAR}
        | {"sealed": base64.b64encode(seal_command(keys, record)).decode()}
        for record in records
    ]


def _place(station: str, issued_ms: int, command_id: str) -> RowPlace:
    return RowPlace("commands", (station, str(issued_ms), command_id))
