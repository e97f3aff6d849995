"""The embedded server under our supervision, with real kills."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloud.db import account
from cloud.db.postgres import EmbeddedPostgres
from tests.cloud.stations import folder
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    home = folder()
    made = EmbeddedPostgres(home / "postgres")
    made.start()
    yield made
    made.stop()
    shutil.rmtree(home)


def test_it_asks_for_the_password_and_listens_on_no_port(server):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(make_conninfo(server.dsn, password="guess"))
    with psycopg.connect(server.dsn) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        rules = conn.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()

    assert rules == [("scram-sha-256",)]


def test_its_folders_and_its_password_are_private(server):
    for path, mode in ((server._data, 0o700), (server._socket, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE((server._home / "password").stat().st_mode) == 0o600
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert (server._home / "password").read_bytes() not in command


def test_a_password_file_that_a_kill_left_empty_is_written_again():
    home = folder()
    (home / "postgres").mkdir()
    (home / "postgres/password").touch()
    made = EmbeddedPostgres(home / "postgres")
    try:
        made.start()
        with psycopg.connect(made.dsn) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        made.stop()
        shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change accounts")
def test_started_by_root_it_runs_under_an_ordinary_account(server):
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_after_kill_9_it_is_back_with_everything_committed(server):
    with psycopg.connect(server.dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    for number in range(3):
        with psycopg.connect(server.dsn, autocommit=True) as conn:
            conn.execute("INSERT INTO kept VALUES (%s)", [number])
            os.kill(server.pid, signal.SIGKILL)

        wait_until(lambda: server.pid is None, "the end of the server")
        assert server.ensure_running()

        with psycopg.connect(server.dsn) as conn:
            rows = conn.execute("SELECT count(*) FROM kept").fetchone()
        assert rows == (number + 1,)
    assert not server.ensure_running()


def test_a_running_server_is_adopted_and_can_be_stopped(server):
    other = EmbeddedPostgres(server._home)

    other.start()

    assert other.pid == server.pid
    other.stop()
    assert server.pid is None
    server.start()
    assert server.pid is not None


def test_it_ends_when_its_supervisor_is_killed():
    home = folder()
    program = (
        "import sys, pathlib; from cloud.db.postgres import EmbeddedPostgres as E;"
        "s = E(pathlib.Path(sys.argv[1])); s.start(); print(s.pid, flush=True); sys.stdin.read()"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, str(home / "postgres")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())

    supervisor.kill()
    supervisor.communicate()

    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the server", 15)
    shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change accounts")
def test_a_data_folder_out_of_reach_gets_a_stand_in_and_is_not_opened_up():
    hidden = folder()
    hidden.chmod(0o700)
    home = hidden / ("very-long-name-" * 8) / "postgres"

    server = EmbeddedPostgres(home)
    server.start()
    with psycopg.connect(server.dsn) as conn:
        conn.execute("CREATE TABLE kept (n int)")
    server.stop()
    again = EmbeddedPostgres(home)
    again.start()
    with psycopg.connect(again.dsn) as conn:
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    again.stop()

    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    place = Path((home / "location").read_text())
    assert account._SYSTEM_HOME in place.parents
    shutil.rmtree(hidden)
    account._forget_temporary_homes()
    assert not place.exists()


def test_a_long_path_gets_a_short_socket():
    home = folder()
    long = home / ("long-name-" * 9)
    long.mkdir(mode=0o711)

    server = EmbeddedPostgres(long / "postgres")

    assert len(str(server._socket)) < 60
    assert EmbeddedPostgres(long / "postgres")._socket == server._socket
    shutil.rmtree(home)
    server._socket.rmdir()
