"""Makes one backup of a running cloud: full, or what has changed since the last one.

It becomes a backup in one step at its very end, when all its files and its record are on the
disk. Whatever kills it before leaves a folder that the next run clears away.
"""

import datetime as dt
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from cloud.config import CloudConfig
from cloud.db.account import choose_account
from cloud.db.backup import wal
from cloud.db.backup.archiving import archive_folder
from cloud.db.backup.folder import DATA_FOLDER, BackupFolder, final_name, identity, sync_folder
from cloud.db.backup.keyring import fingerprints
from cloud.db.backup.manifest import MANIFEST_FILE, read_manifest, unvouched
from cloud.db.backup.planning import Plan, plan, spent
from cloud.db.backup.record import RECORD_FILE, BackupRecord, render
from cloud.db.backup.server import (
    RunningServer,
    ServerFacts,
    clock,
    count_stations,
    facts,
    find_server,
)
from cloud.db.backup.tools import Say, ToolFailed, folder_bytes, megabytes, run_tool
from cloud.db.postgres import OWNER
from cloud.errors import BackupError, ConfigError

_ARCHIVE_DEADLINE_S: Final = 60.0
_POLL_S: Final = 0.1
_SPARE_BYTES: Final = 64 << 20
"""Beside the store itself: the log of the time that the copy takes."""
_NO_SUMMARIES: Final = "WAL summar"
"""In what pg_basebackup says when it cannot know what changed."""


def back_up(config: CloudConfig, to: Path | None, say: Say, *, full: bool = False) -> BackupRecord:
    """Back up the store of a running cloud.

    Args:
        config: the cloud's configuration.
        to: folder of backups; None: that of the configuration.
        say: told what happens, line by line.
        full: do not build on an earlier backup.

    Returns:
        The record of the backup.

    Raises:
        ConfigError: no folder is named.
        BackupError: there is no backup; the text says why and what to do.
    """
    if not config.database.embedded:
        raise BackupError(
            "database.dsn names a server of your own: back it up by its own means "
            "(docs/backup.md, managed servers)"
        )
    target = to or config.backup.dir
    if target is None:
        problem = "no folder for backups: give --to FOLDER, or set dir in [backup]"
        raise ConfigError(None, "backup.dir", None, problem)
    keys = fingerprints(config.keys_dir)
    server = find_server(config.data_dir)
    folder = BackupFolder(target.resolve())
    folder.claim(identity(server.home), choose_account())
    making = _Making(config, server, folder, keys, say)
    with folder.locked():
        for name in folder.tidy():
            say(f"cleared away {name}, which was never finished")
        try:
            record = making.make(full=full)
        except psycopg.OperationalError as error:
            raise BackupError(f"the database went away during the backup: {error}") from error
        except OSError as error:
            raise BackupError(f"{folder.path}: {error.strerror or error}") from error
        making.await_log(record)
        making.prune()
    say(
        f"The keys are NOT in this backup. Copy {config.keys_dir} ({', '.join(keys)}) to a second "
        "safe place that is not the place of the backups: without them a restored store cannot "
        "be opened, and whoever has both can read everything."
    )
    return record


@dataclass(frozen=True)
class _Making:
    """One run of `back_up`."""

    config: CloudConfig
    server: RunningServer
    folder: BackupFolder
    keys: dict[str, str]
    say: Say

    def make(self, *, full: bool) -> BackupRecord:
        """Make the backup; where the server cannot tell what changed, make a full one."""
        now = facts(self.server)
        records = [self.folder.record(name) for name in self.folder.names()]
        full_after = dt.timedelta(days=self.config.backup.full_after_days)
        chosen = plan(records, now, full_after, full=full)
        try:
            return self._make(chosen, now)
        except ToolFailed as error:
            if chosen.parent is None or not any(_NO_SUMMARIES in line for line in error.lines):
                raise
        return self._make(Plan(None, "the server kept no record of what changed since then"), now)

    def _make(self, chosen: Plan, now: ServerFacts) -> BackupRecord:
        self.say(f"{chosen.kind} backup into {self.folder.path} ({chosen.why})")
        if chosen.parent is None:
            _check_space(self.folder.path, now.store_bytes)
        began = time.monotonic()
        unfinished = self.folder.begin(chosen.kind)
        try:
            record = self._fill(unfinished, chosen, now)
            _write_record(unfinished, record)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        self.folder.finish(unfinished)
        took = time.monotonic() - began
        self.say(f"{record.name}: {megabytes(record.bytes)} in {took:.1f} s")
        return record

    def _fill(self, unfinished: Path, chosen: Plan, now: ServerFacts) -> BackupRecord:
        """Copy the server's files and say what they are."""
        data = unfinished / DATA_FOLDER
        before = count_stations(self.server.dsn)
        self._copy(data, chosen.parent)
        ended = clock(self.server.dsn)
        after = count_stations(self.server.dsn)
        manifest = read_manifest(data)
        archives = now.archives and archive_folder(self.server.home) == self.folder.path
        return BackupRecord(
            name=final_name(unfinished),
            kind=chosen.kind,
            parent=chosen.parent.name if chosen.parent else None,
            began_at=now.now.astimezone(dt.UTC),
            ended_at=ended,
            system_identifier=manifest.system_identifier,
            timeline=manifest.timeline,
            start_lsn=manifest.start_lsn,
            end_lsn=manifest.end_lsn,
            postgresql=now.version,
            migration=now.migration,
            wal_segment_bytes=now.segment_bytes,
            wal_archived=archives,
            bytes=folder_bytes(data),
            store_bytes=now.store_bytes,
            before=before,
            after=after,
            keys=self.keys,
            keys_in_token=self.config.keys.pkcs11 is not None,
            files=unvouched(data, manifest.vouched),
        )

    def _copy(self, data: Path, parent: BackupRecord | None) -> None:
        words: list[str | Path] = ["-D", data, "-h", self.server.socket, "-U", OWNER, "-w"]
        words += ["-X", "stream", "-c", "fast", "-P", "-v", "--manifest-checksums=SHA256"]
        if self.config.backup.max_mb_s is not None:
            words.append(f"--max-rate={round(self.config.backup.max_mb_s * 1_000)}k")
        if parent is not None:
            words.append(f"--incremental={self.folder.data(parent.name) / MANIFEST_FILE}")
        secret = {"PGPASSWORD": self.server.password}
        run_tool("pg_basebackup", words, data, environment=secret, say=self.say, what="copied")

    def await_log(self, record: BackupRecord) -> None:
        """Wait until the log of the backup's own time is in the archive, or say what is wrong."""
        wanted = self.config.backup.dir
        if not record.wal_archived:
            if wanted is not None and wanted.resolve() == self.folder.path:
                self.say(
                    "WARNING: the running server does not archive its log here yet, so this "
                    "backup restores to its own end only: restart the cloud"
                )
            return
        end = time.monotonic() + _ARCHIVE_DEADLINE_S
        while time.monotonic() < end:
            pieces = wal.pieces(self.folder.wal, record.wal_segment_bytes)
            if record.last_segment in wal.segments(pieces, record.timeline):
                return
            time.sleep(_POLL_S)
        self.say(
            f"WARNING: the log of this backup is not in {self.folder.wal} after "
            f"{_ARCHIVE_DEADLINE_S:.0f} s: the end of {self.server.log} says why"
        )

    def prune(self) -> None:
        """Remove the oldest chains, and the log that only they needed."""
        keep = self.config.backup.keep_chains
        for name in spent([self.folder.record(one) for one in self.folder.names()], keep):
            self.folder.remove(name)
            self.say(f"removed {name} ([backup] keep_chains = {keep})")
        kept = [self.folder.record(one) for one in self.folder.names()]
        first = min(one.first_segment for one in kept)
        wal.remove_before(self.folder.wal, first, kept[-1].wal_segment_bytes)


def _write_record(unfinished: Path, record: BackupRecord) -> None:
    with (unfinished / RECORD_FILE).open("w", encoding="utf-8") as file:
        file.write(render(record))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(unfinished)


def _check_space(path: Path, store_bytes: int) -> None:
    free = shutil.disk_usage(path).free
    needed = store_bytes + _SPARE_BYTES
    if free < needed:
        raise BackupError(
            f"{path}: {megabytes(free)} are free, a full backup needs about {megabytes(needed)}: "
            "make room, or choose another folder"
        )
