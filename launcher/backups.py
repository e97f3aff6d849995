"""`./stationmaster history backup | restore | verify`: what they print and how they end."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from launcher.errors import LauncherError, WrongInput, told_by_cloud

_T = TypeVar("_T")


def run_backup(config: Path, to: Path | None, *, full: bool) -> int:
    """Back up the store of a running cloud."""
    from cloud.config import load
    from cloud.db.backup import back_up

    _in_words(lambda: back_up(load(config), to, _say, full=full), config)
    return 0


def run_restore(
    backups: Path,
    data_dir: Path,
    *,
    at: str | None,
    keys: Path | None,
    backup: str | None,
    no_log: bool,
    quick: bool,
    despite_findings: bool,
) -> int:
    """Restore a store; status 1 when something is wrong with it."""
    from cloud.db.backup import Wish, restore

    wish = Wish(
        backups,
        data_dir.absolute(),
        at=None if at is None else moment(at),
        keys=keys,
        backup=backup,
        no_log=no_log,
        quick=quick,
        despite_findings=despite_findings,
    )
    return _findings(_in_words(lambda: restore(wish, _say)))


def run_verify(path: Path) -> int:
    """Check a folder of backups, or the store of a cloud by its configuration file."""
    if path.is_dir():
        from cloud.db.backup import verify_backups

        return _findings(_in_words(lambda: verify_backups(path, _say)))
    if not path.is_file():
        raise WrongInput(f"there is neither a folder of backups nor a configuration file at {path}")
    from cloud.config import load
    from cloud.history.check import run_check

    return _in_words(lambda: run_check(load(path)), path)


def moment(text: str) -> dt.datetime:
    """Return a moment in time, aware.

    Raises:
        WrongInput: it is none, or does not say which time zone it is in.
    """
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongInput(
            f"--at {text}: is no time; write it like 2026-10-03T10:15:00Z or "
            "2026-10-03T18:15:00+08:00"
        ) from error
    if when.tzinfo is None:
        raise WrongInput(f"--at {text}: add the time zone: Z for UTC, or e.g. +08:00")
    return when


def _say(line: str) -> None:
    print(line, flush=True)


def _findings(findings: list[str]) -> int:
    for finding in findings:
        print(f"WRONG: {finding}", flush=True)
    print(f"{len(findings)} findings" if findings else "nothing is wrong", flush=True)
    return 1 if findings else 0


def _in_words(act: Callable[[], _T], config: Path | None = None) -> _T:
    try:
        with told_by_cloud(config):
            return act()
    except OSError as error:
        raise LauncherError(
            f"{error.filename}: {error.strerror}; run this under the cloud's own account"
        ) from error
