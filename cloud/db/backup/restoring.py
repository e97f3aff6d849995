"""Restores a store from a folder of backups: to the newest moment, or to any moment since.

Whole or not at all: everything is built and checked in a hidden folder beside its place, and
becomes the store by one rename. What was backed up is checked byte by byte before it is used.
"""

import datetime as dt
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.db.account import (
    Account,
    choose_account,
    discard_home,
    forward_home,
    own,
    server_home,
)
from cloud.db.backup.checks import compare_counts, open_everything
from cloud.db.backup.choosing import NO_LOG, UsableLog, check_parts, choose_backup, usable_log
from cloud.db.backup.folder import BackupFolder, sync_folder
from cloud.db.backup.keyring import compare
from cloud.db.backup.record import BackupRecord
from cloud.db.backup.recovery import RecoveringServer
from cloud.db.backup.server import count_stations
from cloud.db.backup.tools import Say, folder_bytes, megabytes, run_tool
from cloud.db.backup.verifying import describe
from cloud.errors import BackupError
from cloud.keys import open_keys

_HOME: Final = "postgres"
_KEYS: Final = "keys"
_STAGING: Final = ".restoring-"
_PASSABLE: Final = 0o711


@dataclass(frozen=True)
class Wish:
    """What to restore.

    Attributes:
        backups: folder of backups.
        data_dir: new or empty folder; may hold `keys`.
        at: moment to restore to, aware; None: the newest.
        keys: folder of keys; None: `data_dir/keys`.
        backup: name of the backup to start from; None: the newest that fits.
        no_log: restore to the end of the backup; do not replay the archive of the log.
        quick: do not open every block.
        despite_findings: put the store in place even when something is wrong with it.
    """

    backups: Path
    data_dir: Path
    at: dt.datetime | None = None
    keys: Path | None = None
    backup: str | None = None
    no_log: bool = False
    quick: bool = False
    despite_findings: bool = False

    @property
    def keys_dir(self) -> Path:
        """Folder of keys."""
        return self.keys or self.data_dir / _KEYS


def restore(wish: Wish, say: Say) -> list[str]:
    """Restore a store into `wish.data_dir`.

    Returns:
        What is wrong with the restored store, one line each. When there is anything, it is
        put in place only if `despite_findings`.

    Raises:
        BackupError: nothing was restored; the text says why and what to do.
    """
    began = time.monotonic()
    folder = BackupFolder(wish.backups.resolve())
    with folder.locked(shared=True):
        _clear_target(wish.data_dir)
        parts = choose_backup(folder, wish.backup, wish.at)
        for warning in compare(parts[-1].keys, wish.keys_dir):
            say(f"WARNING: {warning}")
        say(f"restoring {describe(parts[-1])}")
        check_parts(folder, parts, say)
        log = NO_LOG if wish.no_log else usable_log(folder, parts[-1])
        if log.end is not None and wish.at is None:
            raise BackupError(
                f"{log.end}: the newest moment cannot be restored. Restore an earlier one with "
                f"--at ({log.reach}) or the end of the backup with --no-log"
            )
        _check_space(wish.data_dir, parts, log)
        staging = wish.data_dir / f"{_STAGING}{secrets.token_hex(4)}"
        try:
            staging.mkdir()
            staging.chmod(_PASSABLE)
            building = _Building(wish, folder, parts, log, staging / _HOME, say)
            findings = building.build()
            if not findings or wish.despite_findings:
                _put_in_place(staging / _HOME, wish.data_dir / _HOME)
        except OSError as error:
            raise BackupError(f"{wish.data_dir}: {error.strerror or error}") from error
        finally:
            _discard(staging)
    if findings and not wish.despite_findings:
        say("nothing was put in place; --despite-findings does so all the same")
        return findings
    say(f"restored into {wish.data_dir} in {time.monotonic() - began:.1f} s")
    say(
        "Next: give the configuration a new folder in [backup] dir (the old one stays that of "
        "the old store), start the cloud, then run ./stationmaster history verify CONFIG and "
        "./stationmaster history backup CONFIG"
    )
    return findings


@dataclass(frozen=True)
class _Building:
    """Makes a whole, checked, stopped server home in `home`."""

    wish: Wish
    folder: BackupFolder
    parts: Sequence[BackupRecord]
    log: UsableLog
    home: Path
    say: Say

    def build(self) -> list[str]:
        """Build it; return what is wrong with its store."""
        account = choose_account()
        place = server_home(self.home, account)
        data, staged = place / "data", place / "wal"
        many = len(self.parts) > 1
        self.say(f"  joining {len(self.parts)} backups" if many else "  copying the backup")
        chain = [self.folder.data(part.name) for part in self.parts]
        run_tool("pg_combinebackup", ["--no-manifest", "-o", data, *chain], place)
        _hand_over(data, account)
        _stage_log(staged, self.log, account)
        self.say(f"  {megabytes(folder_bytes(data))}; replaying {len(self.log.pieces)} segments")
        with RecoveringServer(place, account, self._target()) as server:
            try:
                server.wait(self.say)
            except BackupError as error:
                hint = f" ({self.log.end or self.log.reach})" if self.wish.at else ""
                raise BackupError(f"{error}{hint}") from error
            self.say(f"  newest change in the log: {server.newest_change or 'none'}")
            server.set_password(self.home)
            findings = self._check(server.dsn)
        shutil.rmtree(staged)
        return findings

    def _target(self) -> dict[str, str]:
        if self.wish.at is None:
            return {}
        moment = self.wish.at.isoformat()
        return {"recovery_target_time": moment, "recovery_target_action": "promote"}

    def _check(self, dsn: str) -> list[str]:
        record = self.parts[-1]
        found = count_stations(dsn)
        for station, one in found.items():
            self.say(
                f"  {station}: {one.batches:,} messages, {one.samples:,} samples, {one.blocks:,} "
                f"blocks, {one.rollup_blocks:,} rollup blocks, hash {one.ledger}"
            )
        findings = compare_counts(record, found, beyond=self.log.beyond)
        if self.wish.quick or record.keys_in_token:
            why = "a token holds the keys" if record.keys_in_token else "--quick"
            self.say(f"  blocks were not opened ({why}): history verify CONFIG does so later")
            return findings
        opened = open_everything(dsn, open_keys(self.wish.keys_dir), list(found), self.say)
        self.say(
            f"  opened {opened.blocks:,} blocks and {opened.batches:,} waiting batches with "
            f"{opened.samples:,} samples; {opened.damaged} damaged"
        )
        return findings + opened.findings


def _clear_target(data_dir: Path) -> None:
    """Make sure that the folder exists and is empty but for keys."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        for path in sorted(data_dir.iterdir()):
            if path.name.startswith(_STAGING):
                _discard(path)
            elif path.name != _KEYS:
                raise BackupError(
                    f"{data_dir}: is not empty ({path.name}); a restore goes into a new folder "
                    "(which may hold the folder keys) and touches nothing that is there"
                )
    except OSError as error:
        raise BackupError(f"{data_dir}: {error.strerror}: choose another folder") from error


def _check_space(data_dir: Path, parts: Sequence[BackupRecord], log: UsableLog) -> None:
    needed = max(parts[-1].store_bytes, parts[0].bytes) + log.bytes
    free = shutil.disk_usage(data_dir).free
    if free < needed:
        raise BackupError(
            f"{data_dir}: {megabytes(free)} are free, at least {megabytes(needed)} are needed: "
            "make room, or choose another folder"
        )


def _hand_over(data: Path, account: Account | None) -> None:
    """Give restored files to the server's account."""
    own(data, account)
    if account is not None:
        for path in data.rglob("*"):
            shutil.chown(path, account.uid, account.gid)


def _stage_log(staged: Path, log: UsableLog, account: Account | None) -> None:
    """Copy the log to where the server's account can read it, wherever the backups lie."""
    staged.mkdir()
    own(staged, account)
    for piece in log.pieces:
        copy = staged / f"{piece.name}.gz"
        shutil.copyfile(piece.path, copy)
        own(copy, account, mode=0o600)


def _put_in_place(built: Path, home: Path) -> None:
    built.rename(home)
    forward_home(home)
    sync_folder(home.parent)


def _discard(staging: Path) -> None:
    """Remove what a restore has made and not put in place."""
    discard_home(staging / _HOME)
    shutil.rmtree(staging, ignore_errors=True)
