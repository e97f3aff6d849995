"""The ledger of commands: every set-point with its life, kept for people to look at.

Written once a cycle in one transaction. Unlike orders and samples it is not acknowledged to
anybody, so it does not wait for the disk (synchronous=NORMAL): a power cut may cost the last
seconds of it, never its consistency.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from station.dispatch.commands import Command
from station.journal import JournalError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, device TEXT NOT NULL, point TEXT NOT NULL, value REAL NOT NULL,
    requester TEXT NOT NULL, bound_by TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    issued_ms INTEGER NOT NULL, accepted_ms INTEGER NOT NULL, settled_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS commands_issued ON commands (issued_ms);
"""
_KEEP_MS = 30 * 24 * 3_600_000


class CommandLog:
    """The table of commands in a file of its own."""

    def __init__(self, file: Path) -> None:
        """Open or create the file.

        Raises:
            JournalError: it cannot be opened.
        """
        try:
            self._db = sqlite3.connect(file, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA busy_timeout=5000")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JournalError(f"command log {file} cannot be opened: {error}") from error

    def write(self, commands: Sequence[Command]) -> None:
        """Write the newest state of commands.

        Raises:
            JournalError: nothing was written.
        """
        rows = [
            (
                c.id,
                c.device,
                c.point,
                c.value,
                c.requester,
                c.bound_by,
                c.state.value,
                c.reason,
                c.issued_ms,
                c.accepted_ms,
                c.settled_ms,
            )
            for c in commands
        ]
        try:
            with self._db:
                self._db.executemany(
                    "INSERT OR REPLACE INTO commands VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows
                )
        except sqlite3.Error as error:
            raise JournalError(f"command log cannot be written: {error}") from error

    def trim(self, now_ms: int) -> None:
        """Forget commands of more than 30 days ago."""
        with self._db:
            self._db.execute("DELETE FROM commands WHERE issued_ms < ?", (now_ms - _KEEP_MS,))

    def counts(self) -> dict[str, int]:
        """Return how many commands are in each state."""
        return dict(self._db.execute("SELECT state, count(*) FROM commands GROUP BY state"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
