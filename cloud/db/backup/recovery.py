"""The server while it recovers: under our eyes, with no other client, for as long as it takes.

Only the account that restores may connect, and proves itself to the kernel (peer): the
password of the old server is not in a backup, and nobody is trusted. When recovery has ended
the server gets a new password.
"""

import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from cloud.children import die_with_parent
from cloud.db.account import Account, as_account, binaries, own
from cloud.db.backup.tools import Say
from cloud.db.postgres import DATABASE, OWNER
from cloud.errors import BackupError

_POLL_S: Final = 0.05
_SAY_EVERY_S: Final = 5.0
_STOP_DEADLINE_S: Final = 60.0
_LOG_LINES: Final = 6
_STATUS_LINE: Final = 7
"""Line of postmaster.pid that tells the state of the server."""
_MAP: Final = "restoring"
_LAST_COMMIT: Final = re.compile(
    r"last completed transaction was at log time (\S+ \S+)"
    r"|recovery stopping (?:before|after) commit of transaction \d+, time (\S+ \S+)"
)
_FATAL: Final = re.compile(r"(?:FATAL|PANIC):")
_REPLAYING: Final = re.compile(r"recovering ([0-9A-F]{24})")


class RecoveringServer:
    """PostgreSQL on restored files; a context that ends with the server stopped.

    Args:
        place: folder of the server's files; `data` in it is what was restored, `wal` the log.
        account: under which it runs.
        settings: of the recovery.
    """

    def __init__(self, place: Path, account: Account | None, settings: dict[str, str]) -> None:
        self._place = place
        self._account = account
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._socket = Path(tempfile.mkdtemp(prefix="stationmaster-", dir="/tmp"))
        own(self._socket, self._account)
        (self._place / "data" / "recovery.signal").touch()
        self._write("rules", f"local all {OWNER} peer map={_MAP}\n")
        self._write("names", f"{_MAP} {_our_name()} {OWNER}\n")
        own(self._place / "data" / "recovery.signal", self._account, mode=0o600)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [binaries(self._place, self._account) / "postgres", *self._words()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who stop it in order
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one prctl call
                **as_account(self._account),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._socket, ignore_errors=True)
        for name in ("rules", "names"):
            (self._place / name).unlink(missing_ok=True)

    @property
    def dsn(self) -> str:
        """Address of the store for the account that restores."""
        return make_conninfo(host=str(self._socket), user=OWNER, dbname=DATABASE)

    def wait(self, say: Say) -> None:
        """Wait for the end of recovery.

        Raises:
            BackupError: the server ended; the text says why.
        """
        spoken = time.monotonic()
        while True:
            if self._process is None or self._process.poll() is not None:
                raise BackupError(f"the log could not be replayed: {self._reason()}")
            if self._ready():
                return
            if time.monotonic() - spoken > _SAY_EVERY_S:
                spoken = time.monotonic()
                say(f"  replaying the log{self._where()}")
            time.sleep(_POLL_S)

    @property
    def newest_change(self) -> str | None:
        """Time of the newest change that was replayed, as the server's log words it."""
        found = _LAST_COMMIT.findall(self._log.read_text(errors="replace"))
        return (found[-1][0] or found[-1][1]) if found else None

    def set_password(self, home: Path) -> None:
        """Give the owner a new password and keep it in `home` as the cloud expects it."""
        fresh = secrets.token_urlsafe(32)
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            sealed = conn.pgconn.encrypt_password(
                fresh.encode(), OWNER.encode(), b"scram-sha-256"
            ).decode()
            conn.execute(f"ALTER ROLE \"{OWNER}\" PASSWORD '{sealed}'".encode())
        handle = os.open(home / "password", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(fresh)

    @property
    def _log(self) -> Path:
        return self._place / "recovery.log"

    def _ready(self) -> bool:
        """Whether recovery has ended: without hot standby the server is ready only then."""
        try:
            lines = (self._place / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def _write(self, name: str, text: str) -> None:
        (self._place / name).write_text(text, encoding="utf-8")
        own(self._place / name, self._account, mode=0o600)

    def _words(self) -> Sequence[str | Path]:
        staged = shlex.quote(str(self._place / "wal")).replace("%", "%%")
        settings = {
            "listen_addresses": "",
            "hba_file": str(self._place / "rules"),
            "ident_file": str(self._place / "names"),
            "archive_mode": "off",
            "hot_standby": "off",
            "recovery_target_timeline": "current",
            "restore_command": f'gzip -dc {staged}/%f.gz > "%p"',
        } | self._settings
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return ["-D", self._place / "data", "-k", self._socket, *options]

    def _where(self) -> str:
        """Which segment the server is at: it says so in the name of its process."""
        if self._process is None:
            return ""
        try:
            for child in psutil.Process(self._process.pid).children():
                match = _REPLAYING.search(" ".join(child.cmdline()))
                if match:
                    return f", segment {match[1]}"
        except psutil.Error:
            pass
        return ""

    def _reason(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        fatal = [line for line in lines if _FATAL.search(line)]
        return " | ".join((fatal or lines)[-_LOG_LINES:])


def _our_name() -> str:
    """Name of the account that restores, as the kernel will prove it to the server."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise BackupError(
            f"account {os.geteuid()} has no name on this machine, which PostgreSQL needs: "
            "restore under an account that /etc/passwd knows"
        ) from error
