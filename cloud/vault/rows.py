"""Rows of tables whose content is sealed: a column `sealed` holds it, the others stay in clear.

In clear stays what the database must find rows by: ids, times, kinds, codes, outcomes. Powers of
schedules, set-points, measured values and the texts that name them are sealed with the station's
data key. Table, primary key and column are authenticated with the content, so that it cannot be
moved to another row.
"""

import json
import logging
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final

from cloud.vault.vault import StationKeys

_log = logging.getLogger(__name__)
_TOLD: Final = 4096
"""Damaged rows of one process that are remembered as told; about 1 MB."""


@dataclass(frozen=True)
class RowPlace:
    """One sealed column of one row; `key` is the primary key as text."""

    table: str
    key: tuple[str, ...]
    column: str = "sealed"

    def associated(self) -> bytes:
        """Bytes that are authenticated with the content.

        They begin with NUL, which no place of a block does, and PostgreSQL's texts have none.
        """
        return "\0".join(["", "row", self.table, self.column, *self.key]).encode()


@dataclass(frozen=True)
class EventContent:
    """What an event says; `value` and `limit` are in the unit of the signal concerned."""

    text_en: str
    text_zh: str
    value: float | None
    limit: float | None


def seal_event(keys: StationKeys, station: str, event_id: str, content: EventContent) -> bytes:
    """Return column `sealed` of a row of table `events`."""
    plain = json.dumps(asdict(content), ensure_ascii=False, separators=(",", ":")).encode()
    return keys.seal(_event_place(station, event_id), plain)


def open_event(keys: StationKeys, station: str, event_id: str, sealed: bytes) -> EventContent:
    """Return what an event says.

    Raises:
        KeyStoreError: it was altered, or its key is missing.
    """
    return EventContent(**json.loads(keys.open(_event_place(station, event_id), sealed)))


def order_place(order_id: str) -> RowPlace:
    """Where a signed order is kept: its JSON bytes exactly as the station receives them."""
    return RowPlace("orders", (order_id,))


def receipt_place(order_id: str, outcome: str) -> RowPlace:
    """Where a signed receipt is kept, as the station sent it."""
    return RowPlace("receipts", (order_id, outcome))


def _event_place(station: str, event_id: str) -> RowPlace:
    return RowPlace("events", (station, event_id))


@lru_cache(maxsize=_TOLD)
def tell_damaged(table: str, *key: str) -> None:
    """Log a row that cannot be opened; once, however often it is read.

    The row is left out or shown as damaged: one row takes no page and no station's orders down.
    """
    _log.error("row damaged table=%s key=%s action=restore_from_backup", table, "/".join(key))
