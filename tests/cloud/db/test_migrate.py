"""Migrations: once, in order, and never guessed."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.db.migrate import Migration, known_migrations, migrate
from cloud.db.timescale import arrange_timescale, offer_timescale
from cloud.errors import DatabaseError, MigrationError


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


def test_a_migration_that_fails_changes_nothing_and_is_named(empty):
    with psycopg.connect(empty, autocommit=True) as conn:
        conn.execute("CREATE TABLE receipts (in_the_way int)")

    with pytest.raises(MigrationError, match=r"0001_foundation\.sql failed and changed nothing"):
        migrate(empty)

    with psycopg.connect(empty, autocommit=True) as conn:
        left = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert sorted(left.fetchall()) == [("receipts",), ("schema_migrations",)]


def test_a_table_that_stays_in_use_stops_the_start_and_nobody_waits_for_it(empty, monkeypatch):
    monkeypatch.setattr("cloud.db.migrate._TABLE_WAIT_S", 0.05)
    monkeypatch.setattr("cloud.db.migrate._TABLE_PAUSE_S", 0.01)
    late = Migration(9_999, "late", "ALTER TABLE stations ADD COLUMN late int")
    migrate(empty)
    monkeypatch.setattr("cloud.db.migrate.known_migrations", lambda: [*known_migrations(), late])

    with psycopg.connect(empty) as reader:
        reader.execute("SELECT FROM stations")
        with pytest.raises(MigrationError, match="find who holds it in pg_stat_activity"):
            migrate(empty)

    assert migrate(empty) == [late]


def test_a_server_that_does_not_answer_is_told_with_a_remedy(empty):
    with pytest.raises(DatabaseError, match=r"does not answer.*check database\.dsn") as caught:
        migrate(make_conninfo(empty, password="wrong", dbname="nowhere"))

    assert "wrong" not in str(caught.value)


def test_timescaledb_is_used_exactly_when_the_server_has_it(empty):
    with psycopg.connect(empty) as conn:
        offered = conn.execute(
            "SELECT FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()

    for _ in range(2):
        assert offer_timescale(empty) is (offered is not None)
        migrate(empty)
        arrange_timescale(empty)

    with psycopg.connect(empty) as conn:
        installed = conn.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'")
        assert (installed.fetchone() is None) is (offered is None)


def test_the_quarter_hours_are_compressed_where_timescaledb_can(empty):
    if not offer_timescale(empty):
        pytest.skip("this server has no TimescaleDB; what must hold without it is tested above")
    migrate(empty)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(arrange_timescale, [empty] * 4))

    with psycopg.connect(empty) as conn:
        rows = conn.execute(
            "SELECT hypertable_name, compression_enabled FROM timescaledb_information.hypertables"
        ).fetchall()
        policies = conn.execute(
            "SELECT count(*) FROM timescaledb_information.jobs"
            " WHERE proc_name = 'policy_compression' AND hypertable_name = 'rollups_15min'"
        ).fetchone()
    assert sorted(rows) == [("blocks", False), ("rollups_15min", True)]
    assert policies == (1,)
