"""The head of the cloud's process tree: starts everything in order, keeps it alive, ends it.

Order: database, migrations, keys, first administrator, sockets, workers, jobs. The supervisor
itself does no work that can fail later than its start; it only watches. Several of them may
start at once on one database server and one folder of keys, each with workers, jobs or both.
"""

import asyncio
import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cloud.access import FirstSignIn, ensure_admin
from cloud.access.pki import Authority
from cloud.access.sign_in import FIRST_SIGN_IN_FILE
from cloud.children import Child
from cloud.config import CloudConfig
from cloud.db.address import dsn_of
from cloud.db.backup import archive_settings
from cloud.db.migrate import migrate
from cloud.db.pool import connection, create_pool
from cloud.db.postgres import EmbeddedPostgres
from cloud.db.timescale import arrange_timescale, offer_timescale
from cloud.errors import CloudError, DatabaseError
from cloud.keys import KeyStore, open_keys
from cloud.readiness import ADDRESSES_FILE, JOBS_FILE, jobs_beat, web_answers
from cloud.store_keys import require_folder, require_generations
from cloud.vault import key_table
from cloud.vault.sealing import seal_rows_in_clear
from cloud.vault.vault import Vault
from cloud.workers import Task, addresses, bind, jobs_worker, web_worker

_log = logging.getLogger(__name__)

AUTHORITY_FILE: Final = "authority.pem"
"""In data_dir: the public certificate that stations verify our listeners with."""
_SPARE_CONNECTIONS: Final = 30
"""For the jobs worker, news, migrations, backups and people with psql."""
_WATCH_S: Final = 0.2
_READY_DEADLINE_S: Final = 60.0
_STOP_DEADLINE_S: Final = 12.0

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

    def prepare(self) -> None:
        """Bring database and keys to this version, make the first administrator, and end.

        Raises:
            CloudError: something cannot be brought to this version.
        """
        self._listen_to_signals()
        try:
            _, first = self._prepare()
            line: dict[str, Any] = {"prepared": True}
            if first is not None:
                line["first_sign_in_file"] = str(self._config.data_dir / FIRST_SIGN_IN_FILE)
            self._say(line)
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

    def _prepare(self) -> tuple[str, FirstSignIn | None]:
        """Return the address of a database that is ready, and the first sign-in if made now."""
        config = self._config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        self._progress("database")
        dsn = self._start_database()
        self._progress("migrations")
        offer_timescale(dsn)
        migrate(dsn)
        arrange_timescale(dsn)
        self._progress("keys")
        require_folder(dsn, config)
        keys = open_keys(config.keys_dir, config.keys.pkcs11)
        require_generations(dsn, keys)
        public = config.data_dir / AUTHORITY_FILE  # the folder of keys is closed to others
        _write(public, Authority(config.keys_dir).certificate_pem.decode())
        first = asyncio.run(_first_rows(dsn, keys))
        if first is not None:
            _write_first_sign_in(config.data_dir / FIRST_SIGN_IN_FILE, first)
        return dsn, first

    def _start(self) -> None:
        config = self._config
        dsn, first = self._prepare()
        (config.data_dir / JOBS_FILE).unlink(missing_ok=True)
        self._sockets = bind(config)
        known = addresses(self._sockets)
        task = Task(config, dsn, {name: one.fileno() for name, one in self._sockets.items()})
        self._children = [web_worker(number, task) for number in range(1, config.workers + 1)]
        if config.jobs:
            self._children.append(jobs_worker(task))
        self._progress("workers")
        for child in self._children:
            child.start()
        self._wait_ready(known.get("web"))
        known["ca"] = str(config.data_dir / AUTHORITY_FILE)
        _write(config.data_dir / ADDRESSES_FILE, json.dumps(known, indent=2) + "\n")
        if self._leaving:
            return
        line: dict[str, Any] = {"ready": True, "addresses": known}
        if first is not None:
            line["first_sign_in"] = {"user": first.user, "password": first.password}
        self._say(line)

    def _start_database(self) -> str:
        if not self._config.database.embedded:
            return dsn_of(self._config.database)
        per_worker = self._config.database.pool_size + 1
        connections = self._config.workers * per_worker + _SPARE_CONNECTIONS
        home = self._config.data_dir / "postgres"
        settings = {"max_connections": str(connections)}
        settings |= archive_settings(home, self._config.backup)
        self._database = EmbeddedPostgres(home, settings)
        self._database.start()
        return self._database.dsn

    def _progress(self, step: str) -> None:
        _log.info("starting step=%s", step)
        self._say({"step": step})

    def _wait_ready(self, web: str | None) -> None:
        """Wait for a web worker at `web`, or for the jobs worker where there is none."""
        end = time.monotonic() + _READY_DEADLINE_S
        while not self._leaving:
            if web_answers(web) if web else jobs_beat(self._config.data_dir):
                return
            self._look_after()
            self._pause()
            if time.monotonic() > end:
                who = f"no worker answered at {web}" if web else "the jobs worker did not tell"
                raise CloudError(f"{who} within {_READY_DEADLINE_S:.0f} s")

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


async def _first_rows(dsn: str, keys: KeyStore) -> FirstSignIn | None:
    """Make the first key-encryption key and the first administrator; seal what is in clear.

    Workers need not write into the folder of keys then, which may be mounted read-only.
    """
    async with create_pool(dsn, size=2, timeout_s=10.0) as pool:
        async with connection(pool) as conn, conn.transaction():
            await key_table.lock(conn)
            if keys.key_encryption.newest() is None:
                keys.key_encryption.make()
        await seal_rows_in_clear(pool, Vault(pool, keys))
        return await ensure_admin(pool)


def _write_first_sign_in(path: Path, first: FirstSignIn) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"user {first.user}\npassword {first.password}\n")


def _write(path: Path, text: str) -> None:
    staging = path.with_suffix(".new")
    staging.write_text(text, encoding="utf-8")
    staging.replace(path)
