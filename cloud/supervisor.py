"""The head of the cloud's process tree: starts everything in order, keeps it alive, ends it.

Order: database, migrations, keys, first administrator, sockets, workers, jobs. The supervisor
itself does no work that can fail later than its start; it only watches.
"""

import asyncio
import json
import logging
import os
import select
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cloud.access import FirstSignIn, ensure_admin
from cloud.access.pki import Authority
from cloud.access.sign_in import FIRST_SIGN_IN_FILE
from cloud.children import Child
from cloud.config import CloudConfig
from cloud.db.migrate import migrate
from cloud.db.pool import create_pool
from cloud.db.postgres import EmbeddedPostgres
from cloud.db.timescale import use_timescale
from cloud.errors import CloudError, DatabaseError
from cloud.keys import open_keys
from cloud.workers import Task, addresses, bind, jobs_worker, web_worker

_log = logging.getLogger(__name__)

AUTHORITY_FILE: Final = "authority.pem"
"""In data_dir: the public certificate that stations verify our listeners with."""
_SPARE_CONNECTIONS: Final = 30
"""For the jobs worker, news, migrations, backups and people with psql."""
_WATCH_S: Final = 0.2
_READY_DEADLINE_S: Final = 60.0
_STOP_DEADLINE_S: Final = 12.0
_PROBE_S: Final = 2.0

Say = Callable[[dict[str, Any]], None]
"""Tells the one who started us something: one JSON line on standard output."""


class Supervisor:
    """Runs one cloud."""

    def __init__(self, config: CloudConfig, say: Say) -> None:
        self._config = config
        self._say = say
        self._database: EmbeddedPostgres | None = None
        self._children: list[Child] = []
        self._sockets: dict[str, socket.socket] = {}
        self._leaving = False
        self._wake, self._bell = socket.socketpair()

    def run(self) -> None:
        """Start, watch until SIGTERM or SIGINT, stop.

        Raises:
            CloudError: something did not start; what had been started is stopped again.
        """
        self._listen_to_signals()
        try:
            self._start()
            while not self._leaving:
                self._look_after()
                self._pause()
        finally:
            self._stop()

    def _listen_to_signals(self) -> None:
        self._wake.setblocking(False)
        self._bell.setblocking(False)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes us when a child dies

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def _pause(self) -> None:
        if select.select([self._wake], [], [], _WATCH_S)[0]:
            self._wake.recv(4096)

    def _start(self) -> None:
        config = self._config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        self._progress("database")
        dsn = self._start_database()
        self._progress("migrations")
        migrate(dsn)
        use_timescale(dsn)
        self._progress("keys")
        open_keys(config.keys_dir, config.keys.pkcs11)
        authority = Authority(config.keys_dir)
        first = asyncio.run(_first_sign_in(dsn))
        if first is not None:
            _write_first_sign_in(config.data_dir / FIRST_SIGN_IN_FILE, first)
        self._sockets = bind(config)
        known = addresses(self._sockets)
        task = Task(config, dsn, {name: one.fileno() for name, one in self._sockets.items()})
        self._children = [web_worker(number, task) for number in range(1, config.workers + 1)]
        self._children.append(jobs_worker(task))
        self._progress("workers")
        for child in self._children:
            child.start()
        self._wait_ready(known["web"])
        public = config.data_dir / AUTHORITY_FILE  # the folder of keys is closed to others
        _write(public, authority.certificate_pem.decode())
        known["ca"] = str(public)
        _write(config.data_dir / "addresses.json", json.dumps(known, indent=2) + "\n")
        if self._leaving:
            return
        line: dict[str, Any] = {"ready": True, "addresses": known}
        if first is not None:
            line["first_sign_in"] = {"user": first.user, "password": first.password}
        self._say(line)

    def _start_database(self) -> str:
        if not self._config.database.embedded:
            return self._config.database.dsn
        per_worker = self._config.database.pool_size + 1
        connections = self._config.workers * per_worker + _SPARE_CONNECTIONS
        self._database = EmbeddedPostgres(
            self._config.data_dir / "postgres", {"max_connections": str(connections)}
        )
        self._database.start()
        return self._database.dsn

    def _progress(self, step: str) -> None:
        _log.info("starting step=%s", step)
        self._say({"step": step})

    def _wait_ready(self, web: str) -> None:
        end = time.monotonic() + _READY_DEADLINE_S
        while not self._leaving and not _answers(f"{web}/health/ready"):
            self._look_after()
            self._pause()
            if time.monotonic() > end:
                raise CloudError(f"no worker answered at {web} within {_READY_DEADLINE_S:.0f} s")

    def _look_after(self) -> None:
        """Restart what has died."""
        if self._database is not None:
            try:
                if self._database.ensure_running():
                    _log.error("database had died and runs again pid=%s", self._database.pid)
            except DatabaseError as error:
                _log.error("database does not come back reason=%s", error)
        for child in self._children:
            child.keep()

    def _stop(self) -> None:
        """Stop in the reverse order: jobs and workers drain, then the database ends."""
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.stop(_STOP_DEADLINE_S)
        for listener in self._sockets.values():
            listener.close()
        if self._database is not None:
            self._database.stop()
        signal.set_wakeup_fd(-1)
        self._wake.close()
        self._bell.close()


async def _first_sign_in(dsn: str) -> FirstSignIn | None:
    pool = create_pool(dsn, size=2, timeout_s=10.0)
    async with pool:
        return await ensure_admin(pool)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_S) as answer:  # noqa: S310 - our own worker
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP OK
    except (OSError, urllib.error.URLError):
        return False


def _write_first_sign_in(path: Path, first: FirstSignIn) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"user {first.user}\npassword {first.password}\n")


def _write(path: Path, text: str) -> None:
    staging = path.with_suffix(".new")
    staging.write_text(text, encoding="utf-8")
    staging.replace(path)
