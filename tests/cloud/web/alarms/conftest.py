"""A console whose alarms are nobody else's, without an alarm at the beginning of each test."""

import secrets
import shutil
import tempfile
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.db import connection
from tests.cloud.web.console import Console, running_console


@pytest.fixture(scope="module")
def console(server_dsn: str, template: str):
    """A console of its own: what these tests leave standing is in nobody's way."""
    name = f"alarms_{secrets.token_hex(6)}"
    home = Path(tempfile.mkdtemp(prefix="sm-alarms-"))
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        dsn = make_conninfo(server_dsn, dbname=name)
        with running_console(dsn, home, history_ms=60_000) as running:
            yield running
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def session(console: Console) -> str:
    credentials = {"user": console.user, "password": console.password}
    return httpx.post(f"{console.url}/api/v1/session", json=credentials).cookies["sm_session"]


@pytest.fixture(autouse=True)
def calm(console: Console):
    """Begin each test without an alarm: the tables are those of alarms alone."""
    yield

    async def forget() -> None:
        async with connection(console.worker.services.pool) as conn:
            await conn.execute(
                "TRUNCATE alarms, alarm_occurrences, alarm_acts, alarm_journal, alarm_inbox,"
                " alarm_outbox, events RESTART IDENTITY CASCADE"
            )

    console.do(forget())
