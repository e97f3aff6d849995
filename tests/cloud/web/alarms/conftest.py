"""A console whose alarms are nobody else's, without an alarm at the beginning of each test."""

import secrets
import shutil
import tempfile
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import LockNotAvailable

from cloud.db import Pool, connection
from tests.cloud.web.console import Console, running_console
from tests.waiting import wait_until

_TABLES = "alarms, alarm_occurrences, alarm_acts, alarm_journal, alarm_inbox, alarm_outbox, events"


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
    return httpx.post(f"{console.url}/api/v1/session", json=credentials, timeout=30).cookies[
        "sm_session"
    ]


@pytest.fixture(autouse=True)
def calm(console: Console):
    """Begin each test without an alarm: the tables are those of alarms alone."""
    yield
    wait_until(lambda: console.do(_forget(console.worker.services.pool)), "tables without alarms")


async def _forget(pool: Pool) -> bool:
    """Empty the tables; False where somebody is at work in one of them.

    Engine, feeder and pages go on meanwhile and take these tables in orders of their own: whoever
    waited for one table holding another would be in a deadlock with them.
    """
    async with connection(pool) as conn:
        try:
            async with conn.transaction():
                await conn.execute(f"LOCK TABLE {_TABLES} IN ACCESS EXCLUSIVE MODE NOWAIT")
                await conn.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY CASCADE")
        except LockNotAvailable:
            return False
    return True
