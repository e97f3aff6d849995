"""Migrations: once, in order, and never guessed."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.db.migrate import known_migrations, migrate
from cloud.db.timescale import use_timescale
from cloud.errors import MigrationError


@pytest.fixture
def empty(server_dsn):
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
        yield make_conninfo(server_dsn, dbname=name)
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_each_migration_is_applied_once_however_many_start_together(empty):
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty] * 4))

    assert sorted(len(one) for one in applied) == [0, 0, 0, len(known_migrations())]


def test_numbers_of_migrations_are_unique():
    numbers = [one.number for one in known_migrations()]

    assert numbers == sorted(set(numbers))


def test_an_applied_migration_that_was_changed_stops_the_start(empty):
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as conn:
        conn.execute("UPDATE schema_migrations SET sha256 = 'other' WHERE number = 1")

    with pytest.raises(MigrationError, match=r"0001_foundation\.sql differs"):
        migrate(empty)


def test_a_database_of_a_newer_version_is_refused(empty):
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as conn:
        conn.execute("INSERT INTO schema_migrations VALUES (9999, 'future', 'x')")

    with pytest.raises(MigrationError, match="start the newer version"):
        migrate(empty)


def test_timescaledb_is_used_exactly_when_the_server_has_it(dsn):
    with psycopg.connect(dsn) as conn:
        offered = conn.execute(
            "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()

    assert use_timescale(dsn) is (offered == (1,))
