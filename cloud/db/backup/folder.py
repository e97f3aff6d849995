"""A folder of backups: numbered backups, the archive of the log, and whose they are.

- `owner`: the id of the one data folder whose backups these are; also the lock.
- `000001-full/`, `000002-incremental/`: `backup.json` and `data/`. A backup that is being made
  or removed has a suffix and is no backup; the next run clears it away.
- `wal/`: finished pieces of the log (`cloud.db.backup.wal`).

A restored data folder has a new id: its history is another one, so its backups go to another
folder, and a trial restore cannot write into the folder it came from.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cloud.db.account import Account, obstacle, own
from cloud.db.backup.record import BackupRecord, Kind, read_record
from cloud.errors import BackupError
from cloud.private_files import discard_empty, read_or_make

OWNER_FILE: Final = "owner"
WAL_FOLDER: Final = "wal"
DATA_FOLDER: Final = "data"
_IDENTITY_FILE: Final = "identity"
"""In the server's home, outside the data that is backed up."""
_UNFINISHED: Final = ".unfinished"
_REMOVED: Final = ".removed"
_NAME: Final = re.compile(r"^(\d{6})-(full|incremental)$")
_PASSABLE: Final = 0o711
_READABLE: Final = 0o644


def identity(home: Path) -> str:
    """Return the id of the data folder whose server's home is `home`; make it once.

    Raises:
        KeyStoreError: its file cannot be read or made.
    """
    path = home / _IDENTITY_FILE
    discard_empty(path)
    return read_or_make(path, lambda: secrets.token_hex(16).encode()).decode("ascii").strip()


class BackupFolder:
    """One folder of backups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wal = path / WAL_FOLDER

    @property
    def owner(self) -> str | None:
        """Id of the data folder whose backups these are; None: nobody has claimed it."""
        try:
            return (self.path / OWNER_FILE).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def claim(self, who: str, account: Account | None) -> None:
        """Make the folder that of data folder `who`, and its wal/ writable for the server.

        Raises:
            BackupError: it is another's, it holds other things, or it cannot be reached.
        """
        if self.owner != who:
            self._take(who)
        blocked = obstacle(self.wal, account)
        if blocked is not None and account is not None:
            raise BackupError(
                f"{self.path}: account {account.name}, which the database runs under, cannot pass "
                f"{blocked}: choose another folder for backups, or `chmod o+x {blocked}`"
            )
        if not self.wal.is_dir():
            self.wal.mkdir()
        own(self.wal, account)

    def _take(self, who: str) -> None:
        if self.owner is not None:
            raise BackupError(
                f"{self.path}: keeps the backups of another data folder; give this one a new "
                "folder ([backup] dir, or --to). After a restore that is right: keep the old "
                "folder until the new one has a full backup"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()):
                raise BackupError(f"{self.path}: is neither empty nor a folder of backups")
            self.path.chmod(_PASSABLE)
            staging = self.path / f".{OWNER_FILE}"
            staging.write_text(who + "\n", encoding="ascii")
            staging.chmod(_READABLE)
            staging.rename(self.path / OWNER_FILE)
        except OSError as error:
            raise BackupError(f"{self.path}: cannot be written: {error.strerror}") from error

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep others from changing the backups; `shared` lets others read as well.

        Raises:
            BackupError: another process makes, checks or restores a backup here.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        path = self.path / OWNER_FILE
        if not path.exists():
            raise BackupError(f"{self.path}: is not a folder of backups (it has no {OWNER_FILE})")
        with path.open("rb" if shared else "r+b") as file:
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BackupError(
                    f"{self.path}: another backup, check or restore is at work here; "
                    "try again when it has ended"
                ) from error
            yield

    def names(self) -> list[str]:
        """Names of the finished backups, oldest first."""
        return sorted(path.name for path in self.path.iterdir() if _NAME.match(path.name))

    def record(self, name: str) -> BackupRecord:
        """Return the record of a backup.

        Raises:
            BackupError: it is missing or altered.
        """
        return read_record(self.path / name)

    def data(self, name: str) -> Path:
        """PostgreSQL's files of a backup."""
        return self.path / name / DATA_FOLDER

    def begin(self, kind: Kind) -> Path:
        """Make the folder of a new, unfinished backup."""
        numbers = [int(name.split("-")[0]) for name in self.names()]
        folder = self.path / f"{max(numbers, default=0) + 1:06d}-{kind}{_UNFINISHED}"
        folder.mkdir(mode=0o700)
        return folder

    def finish(self, unfinished: Path) -> None:
        """Give a backup whose files are all on the disk its name."""
        unfinished.rename(unfinished.with_suffix(""))
        sync_folder(self.path)

    def remove(self, name: str) -> None:
        """Remove a backup; when killed half-way, nothing is left that looks like one."""
        going = self.path / f"{name}{_REMOVED}"
        (self.path / name).rename(going)
        sync_folder(self.path)
        shutil.rmtree(going)

    def tidy(self) -> list[str]:
        """Clear away what killed runs have left; return the names."""
        left = [path for path in self.path.iterdir() if path.suffix in {_UNFINISHED, _REMOVED}]
        for path in left:
            shutil.rmtree(path)
        return sorted(path.name for path in left)


def final_name(unfinished: Path) -> str:
    """Name that `BackupFolder.finish` gives."""
    return unfinished.with_suffix("").name


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
