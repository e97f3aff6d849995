"""Numbered SQL migrations, each applied once, in order, under an advisory lock.

Any number of clouds may start at once on one database: one migrates, the others wait for it. One
that is killed leaves nothing half done: its transaction ends, its lock goes, the next goes on.
Workers of the version before may be at work meanwhile: a migration that needs a table to itself
asks for a few seconds, lets them go on, and asks again.

A migration that has been applied never changes: its hash is remembered, and a difference
stops the start instead of guessing. A database that a newer version has migrated is refused.
"""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg.rows import TupleRow

from cloud.errors import DatabaseError, MigrationError

_log = logging.getLogger(__name__)
_LOCK = 0x5354_4D41
"""Key of the advisory lock: one cloud migrates, the others wait."""
_TABLE_WAIT_S = 5.0
"""Everybody else who wants a table queues behind a migration that waits for it."""
_TABLE_PAUSE_S = 1.0
_TABLE_TRIES = 20


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
        DatabaseError: the database does not answer.
        MigrationError: an applied migration was changed, the database is newer than we are, or a
            migration failed; what it did has been undone.
    """
    with alone(dsn) as conn:
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
            _apply(conn, one)
            _log.info("migration applied number=%04d name=%s", one.number, one.name)
    return fresh


@contextmanager
def alone(dsn: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """Lend a connection (autocommit) while no other cloud changes this database's structure.

    Raises:
        DatabaseError: the database does not answer.
    """
    try:
        conn = psycopg.connect(dsn, autocommit=True)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise DatabaseError(
            f"the database does not answer: {str(error).strip()}; check database.dsn and the server"
        ) from error
    with conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        yield conn


def _apply(conn: psycopg.Connection[TupleRow], one: Migration) -> None:
    for tries_left in reversed(range(_TABLE_TRIES)):
        try:
            _apply_now(conn, one)
        except psycopg.errors.LockNotAvailable as error:
            if not tries_left:
                raise MigrationError(
                    f"migration {one.number:04d}_{one.name}.sql changed nothing: a table that it"
                    " needs stays in use; find who holds it in pg_stat_activity and start again"
                ) from error
            _log.info("migration waits for a table number=%04d", one.number)
            time.sleep(_TABLE_PAUSE_S)
        except psycopg.Error as error:
            raise MigrationError(
                f"migration {one.number:04d}_{one.name}.sql failed and changed nothing:"
                f" {str(error).strip()}"
            ) from error
        else:
            return


def _apply_now(conn: psycopg.Connection[TupleRow], one: Migration) -> None:
    with conn.transaction():
        conn.execute(f"SET LOCAL lock_timeout = '{_TABLE_WAIT_S}s'".encode())
        conn.execute(one.sql.encode())
        conn.execute(
            "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
            [one.number, one.name, one.sha256],
        )


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
