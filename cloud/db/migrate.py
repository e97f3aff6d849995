"""Numbered SQL migrations, each applied once, in order, under an advisory lock.

A migration that has been applied never changes: its hash is remembered, and a difference
stops the start instead of guessing. A database that a newer version has migrated is refused.
"""

import hashlib
import logging
from dataclasses import dataclass
from importlib import resources

import psycopg

from cloud.errors import MigrationError

_log = logging.getLogger(__name__)
_LOCK = 0x5354_4D41
"""Key of the advisory lock: one cloud migrates, the others wait."""


@dataclass(frozen=True)
class Migration:
    """One file of `migrations/`: NNNN_name.sql."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hash of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known_migrations() -> list[Migration]:
    """Return the migrations of this version, in order of their numbers."""
    folder = resources.files("cloud.db") / "migrations"
    found = []
    for entry in folder.iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda one: one.number)


def migrate(dsn: str) -> list[Migration]:
    """Bring the database up to this version; return what was applied now.

    Raises:
        MigrationError: an applied migration was changed, or the database is newer than we are.
    """
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = conn.execute("SELECT number, sha256 FROM schema_migrations").fetchall()
        applied: dict[int, str] = dict(rows)
        known = known_migrations()
        _check(applied, known)
        fresh = [one for one in known if one.number not in applied]
        for one in fresh:
            with conn.transaction():
                conn.execute(one.sql.encode())
                conn.execute(
                    "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                    [one.number, one.name, one.sha256],
                )
            _log.info("migration applied number=%04d name=%s", one.number, one.name)
    return fresh


def _check(applied: dict[int, str], known: list[Migration]) -> None:
    ours = {one.number: one for one in known}
    for number, sha256 in sorted(applied.items()):
        if number not in ours:
            raise MigrationError(
                f"the database has migration {number:04d}, which this version does not know: "
                "start the newer version, or restore a backup from before it"
            )
        if ours[number].sha256 != sha256:
            raise MigrationError(
                f"migration {number:04d}_{ours[number].name}.sql differs from the one applied to "
                "this database: restore the file; put changes into a migration with a new number"
            )
