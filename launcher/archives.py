"""`./stationmaster history archive | restore-archive`: what they print and how they end."""

import asyncio
import datetime as dt
from pathlib import Path

from launcher.errors import WrongInput, told_by_cloud


def run_archive(config: Path, station: str | None, month: str | None, *, verify: bool) -> int:
    """Archive past months, or prove that those archived are unaltered; status 1 if not all were."""
    from cloud.config import load
    from cloud.history.archive import run as archive_run

    at = None if month is None else month_of(month)
    with told_by_cloud(config):
        loaded = load(config)
        if verify:
            wrong = asyncio.run(archive_run.verify(loaded, station, _say))
            word = "WRONG"
        else:
            now = dt.datetime.now(dt.UTC)
            wrong = asyncio.run(archive_run.archive(loaded, station, at, now, _say))
            word = "NOT ARCHIVED"
    for one in wrong:
        print(f"{word}: {one}", flush=True)
    print(f"{len(wrong)} {word.lower()}" if wrong else "all is well", flush=True)
    return 1 if wrong else 0


def run_restore_archive(
    config: Path, station: str, month: str, url: str | None, keep_days: int | None
) -> int:
    """Put an archived month back."""
    from cloud.config import load
    from cloud.history.archive import run as archive_run

    now, at = dt.datetime.now(dt.UTC), month_of(month)
    with told_by_cloud(config):
        asyncio.run(
            archive_run.restore(
                load(config), station, at, url=url, keep_days=keep_days, now=now, say=_say
            )
        )
    return 0


def month_of(text: str) -> dt.date:
    """Return the first day of a month.

    Raises:
        WrongInput: it is none.
    """
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise WrongInput(f"--month {text}: is no month; write it like 2026-07") from error


def _say(line: str) -> None:
    print(line, flush=True)
