"""Six clouds start at once on one database: real processes, and one of them killed half-way."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.db.migrate import known_migrations
from tests.waiting import wait_until

CLOUDS = 6
HOUR_MS = 1_767_225_600_000
PROGRAM = """
import os
from cloud.db.migrate import migrate
from cloud.db.timescale import arrange_timescale, offer_timescale

dsn = os.environ["DSN"]
offer_timescale(dsn)
print(len(migrate(dsn)))
arrange_timescale(dsn)
"""


@pytest.fixture
def empty(server_dsn: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
        yield make_conninfo(server_dsn, dbname=name)
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def filled(empty: str) -> str:
    """A database of the first edition: two hours of blocks, a batch, rollups."""
    first = known_migrations()[0]
    with psycopg.connect(empty) as conn:
        conn.execute(first.sql.encode())
        conn.execute(
            "CREATE TABLE schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        conn.execute(
            "INSERT INTO schema_migrations VALUES (%s, %s, %s)",
            [first.number, first.name, first.sha256],
        )
        conn.execute(
            "INSERT INTO stations (id, name, rated_power_kw, capacity_kwh)"
            " VALUES ('alpha', 'alpha', 1, 1)"
        )
        for part, month in enumerate((0, 31 * 24)):
            conn.execute(
                "INSERT INTO blocks (station, device, layout, hour_ms, step_ms, phase_ms, part, n,"
                " body) VALUES ('alpha', 'METER', %b, %s, 1000, 0, %s, 3600, %b)",
                [bytes(8), HOUR_MS + month * 3_600_000, part, bytes([7]) * 900],
            )
        conn.execute(
            "INSERT INTO rollups_1min VALUES ('alpha', 'METER', 'p', now(), 1, 2, 1, 2, 60)"
        )
    return empty


def start(dsn: str, number: int) -> subprocess.Popen[bytes]:
    """One cloud that migrates; its connections carry its number."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "DSN": make_conninfo(dsn, application_name=f"cloud-{number}")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def applied_by(clouds: list[subprocess.Popen[bytes]]) -> list[int]:
    """How many migrations each of them applied, once all have ended well."""
    numbers = []
    for cloud in clouds:
        told, complaint = cloud.communicate(timeout=60)
        assert cloud.returncode == 0, complaint.decode()
        numbers.append(int(told))
    return sorted(numbers)


def applied(dsn: str) -> list[int]:
    """Numbers of the applied migrations."""
    with psycopg.connect(dsn) as conn:
        rows = conn.execute("SELECT number FROM schema_migrations ORDER BY number").fetchall()
    return [number for (number,) in rows]


def state(dsn: str) -> tuple[list[int], int, int]:
    """Applied migrations, blocks with their bodies, minutes to roll up anew."""
    with psycopg.connect(dsn) as conn:
        blocks = conn.execute(
            "SELECT count(*) FROM blocks WHERE body = %b", [bytes([7]) * 900]
        ).fetchone()
        dirty = conn.execute("SELECT count(*) FROM dirty WHERE station = 'alpha'").fetchone()
    assert blocks is not None
    assert dirty is not None
    return applied(dsn), blocks[0], dirty[0]


ALL = [one.number for one in known_migrations()]


def test_six_processes_migrate_an_empty_database_once(empty):
    clouds = [start(empty, number) for number in range(CLOUDS)]

    assert applied_by(clouds) == [0] * (CLOUDS - 1) + [len(ALL)]
    assert state(empty) == (ALL, 0, 0)


def test_six_processes_migrate_a_filled_database_once_and_keep_its_rows(filled):
    clouds = [start(filled, number) for number in range(CLOUDS)]

    assert applied_by(clouds) == [0] * (CLOUDS - 1) + [len(ALL) - 1]
    assert state(filled) == (ALL, 2, 2 * 60)


def test_a_process_killed_in_the_middle_leaves_nothing_half_done(filled):
    with psycopg.connect(filled) as reader:
        reader.execute("SELECT FROM blocks LIMIT 1")  # its lock holds the migration up half-way
        clouds = [start(filled, number) for number in range(CLOUDS)]
        wait_until(lambda: held_up(filled) is not None, "a migration that waits for the reader")
        number = held_up(filled)
        assert number is not None
        victim = clouds.pop(number)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()

        assert applied(filled) == [1]

    assert applied_by(clouds) == [0] * (CLOUDS - 2) + [len(ALL) - 1]
    assert state(filled) == (ALL, 2, 2 * 60)


def held_up(dsn: str) -> int | None:
    """Number of the cloud whose migration waits for a lock of a table."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute(
            "SELECT substr(application_name, 7)::int FROM pg_stat_activity"
            " WHERE application_name LIKE 'cloud-%' AND wait_event_type = 'Lock'"
            " AND wait_event = 'relation'"
        ).fetchone()
    return row[0] if row else None
