"""One real PostgreSQL for all tests of the cloud; every test gets a fresh database of it.

STATIONMASTER_TEST_DSN names a server to use instead of the embedded one: PostgreSQL 15 or newer,
a user who may create databases. Where that server has TimescaleDB, the tests run with it.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.db import Pool, create_pool
from cloud.db.migrate import migrate
from cloud.db.postgres import EmbeddedPostgres
from cloud.db.timescale import arrange_timescale, offer_timescale

_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # A client that is cancelled while it connects leaves its server process waiting for the
    # password, and DROP DATABASE waits for that process.
    "authentication_timeout": "3s",
}


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """Address of a PostgreSQL server on which we may create databases."""
    given = os.environ.get("STATIONMASTER_TEST_DSN")
    if given:
        yield given
        return
    home = Path(tempfile.mkdtemp(prefix="sm-test-"))
    home.chmod(0o711)
    server = EmbeddedPostgres(home / "postgres", _FAST)
    server.start()
    try:
        yield server.dsn_of("postgres")
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server_dsn: str) -> Iterator[str]:
    """Name of a migrated database, copied for each test."""
    name = f"template_{secrets.token_hex(4)}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
        made = make_conninfo(server_dsn, dbname=name)
        if offer_timescale(made):
            with psycopg.connect(made, autocommit=True) as timescale:
                # Its scheduler would stay connected, and a database in use cannot be copied.
                timescale.execute("SELECT _timescaledb_functions.stop_background_workers()")
        migrate(made)
        arrange_timescale(made)
        yield name
        conn.execute(f'DROP DATABASE "{name}"')


@pytest.fixture
def dsn(server_dsn: str, template: str) -> Iterator[str]:
    """Address of a fresh, migrated database."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        yield make_conninfo(server_dsn, dbname=name)
        if os.environ.get("STATIONMASTER_TEST_DSN"):  # our own server goes away as a whole
            conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A connection pool on the fresh database."""
    opened = create_pool(dsn, size=8, timeout_s=20.0)
    await opened.open(wait=True)
    yield opened
    await opened.close()
