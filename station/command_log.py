"""The local ledger of commands: every set-point with its life, and what the cloud was told of it.

Written once a cycle in one transaction. It does not wait for the disk (synchronous=NORMAL): a
power cut may cost the last seconds of it, never its consistency. What is to be told to the cloud
gets a number that only grows; the durable queue keeps the number up to which it has taken records
in the transaction that takes them. A station that starts again goes on exactly behind that, and
closes what was under way: nobody will know what became of it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from contract.commands import CommandRecord, CommandState
from station.command_book import Page
from station.dispatch.commands import MEASURED_POINTS
from station.journal import JournalError

RESUME_SOURCE = "commands.ledger"
"""Under this name the queue keeps the number up to which it has taken records."""

AFTER_RESTART = "unknown after restart"
MAX_TOLD_AGAIN = 20_000
"""Records told after a restart: minutes of a busy station that could not write its queue."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, device TEXT NOT NULL, point TEXT NOT NULL, value REAL NOT NULL,
    requester TEXT NOT NULL, bound_by TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    issued_ms INTEGER NOT NULL, accepted_ms INTEGER NOT NULL, settled_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commands_issued ON commands (issued_ms);
"""
_ADDED = {
    "source": "TEXT NOT NULL DEFAULT 'none'",
    "cause_en": "TEXT NOT NULL DEFAULT ''",
    "cause_zh": "TEXT NOT NULL DEFAULT ''",
    "told": "INTEGER NOT NULL DEFAULT 0",
}
_INDEXES = """
CREATE INDEX IF NOT EXISTS commands_told ON commands (told) WHERE told > 0;
CREATE INDEX IF NOT EXISTS commands_open ON commands (state) WHERE state IN ('issued', 'accepted');
"""
_COLUMNS = tuple(f.name for f in fields(CommandRecord) if f.name != "station")
_KEPT = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("id", "source"))
_WRITE = f"""
INSERT INTO commands ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" * len(_COLUMNS))})
ON CONFLICT (id) DO UPDATE SET {_KEPT}
WHERE (excluded.settled_ms, excluded.accepted_ms) >= (commands.settled_ms, commands.accepted_ms)
"""  # noqa: S608 - names of a dataclass
_READ = f"SELECT {', '.join(_COLUMNS)} FROM commands"  # noqa: S608
_KEEP_MS = 30 * 24 * 3_600_000
_TRIM_EVERY_MS = 3_600_000


class CommandLog:
    """The table of commands in a file of its own."""

    def __init__(self, file: Path, station: str = "") -> None:
        """Open or create the file.

        Args:
            file: the ledger's file; one of an earlier version is extended.
            station: the station's id, which all records carry.

        Raises:
            JournalError: it cannot be opened.
        """
        self._station = station
        try:
            self._db = sqlite3.connect(file, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA busy_timeout=5000")
            self._db.executescript(_SCHEMA)
            known = {row[1] for row in self._db.execute("PRAGMA table_info(commands)")}
            for name in _ADDED.keys() - known:
                self._db.execute(f"ALTER TABLE commands ADD COLUMN {name} {_ADDED[name]}")
            self._db.executescript(_INDEXES)
            row = self._db.execute("SELECT max(told) FROM commands WHERE told > 0").fetchone()
        except sqlite3.Error as error:
            raise JournalError(f"command log {file} cannot be opened: {error}") from error
        self._told = int(row[0] or 0)
        self._trimmed_ms = 0

    @property
    def mark(self) -> str:
        """The mark up to which records were numbered."""
        return str(self._told)

    def write(self, page: Page) -> str:
        """Write a page of the book; return the mark up to which its due records reach.

        Raises:
            JournalError: nothing was written.
        """
        told = self._told
        try:
            with self._db:
                if page.at_ms - self._trimmed_ms > _TRIM_EVERY_MS:
                    self.trim(page.at_ms)
                self._db.executemany(_WRITE, [self._row(r) for r in (*page.changed, *page.due)])
                numbers = [(told + n, record.id) for n, record in enumerate(page.due, 1)]
                self._db.executemany("UPDATE commands SET told = ? WHERE id = ?", numbers)
        except sqlite3.Error as error:
            raise JournalError(f"command log cannot be written: {error}") from error
        self._told = told + len(page.due)
        return self.mark

    def recover(self, queued: str | None, now_ms: int) -> tuple[list[CommandRecord], str]:
        """Close what was under way and return what the queue does not have, with its mark.

        Args:
            queued: the mark that the queue keeps; None for an empty queue.
            now_ms: time of the start.

        Raises:
            JournalError: nothing was written.
        """
        after = int(queued or 0)
        self._told = max(self._told, after)
        try:
            found = self._db.execute(f"{_READ} WHERE state IN ('issued', 'accepted')").fetchall()
            ended = [self._ended(self._record(row), now_ms) for row in found]
            changed = tuple(record for record in ended if record.settled_ms)
            self.write(Page(now_ms, changed, changed))
            missing = self._db.execute(
                f"{_READ} WHERE told > ? ORDER BY told DESC LIMIT ?", (after, MAX_TOLD_AGAIN)
            ).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"command log cannot be read: {error}") from error
        records = [self._record(row) for row in missing]
        return sorted(records, key=lambda record: record.issued_ms), self.mark

    def _ended(self, record: CommandRecord, now_ms: int) -> CommandRecord:
        """Close a command; of one that no measurement shows, the acceptance is all there is."""
        if record.state is CommandState.ACCEPTED and record.point not in MEASURED_POINTS:
            return record
        at_ms = max(now_ms, record.issued_ms)
        return replace(record, state=CommandState.UNKNOWN, settled_ms=at_ms, reason=AFTER_RESTART)

    def trim(self, now_ms: int) -> None:
        """Forget commands of more than 30 days ago."""
        self._db.execute("DELETE FROM commands WHERE issued_ms < ?", (now_ms - _KEEP_MS,))
        self._trimmed_ms = now_ms

    def counts(self) -> dict[str, int]:
        """Return how many commands are in each state."""
        return dict(self._db.execute("SELECT state, count(*) FROM commands GROUP BY state"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @staticmethod
    def _row(record: CommandRecord) -> tuple[object, ...]:
        return tuple(getattr(record, name) for name in _COLUMNS)

    def _record(self, row: Sequence[object]) -> CommandRecord:
        named = dict(zip(_COLUMNS, row, strict=True))
        return CommandRecord(
            **(named | {"state": CommandState(named["state"]), "station": self._station})  # type: ignore[arg-type]
        )
