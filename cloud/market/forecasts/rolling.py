"""Every member's forecasts of a span of days, each from what was known before; can be resumed."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.members import Member, ask

CHUNK_DAYS: Final = 56
"""Work is kept by so many days: a multiple of all spans after which members are fitted anew, so
that a run that was interrupted gives the same forecasts as one that was not."""

Progress = Callable[[str, int, int], None]
"""Told a member's name, days done, and days in all."""


def _worked_s() -> float:
    """Return seconds that this process and those it started and ended worked."""
    return sum(os.times()[:4])


@dataclass
class Rolled:
    """What was said of a span of days.

    Attributes:
        said: of each member, shape (days, points).
        seconds: that each member took.
        flags: who failed on how many days.
    """

    said: dict[str, Floats] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)


def roll(
    members: Sequence[Member],
    table: DayTable,
    rows: range,
    kept: Path | None,
    progress: Progress,
    *,
    clock: Callable[[], float] = _worked_s,
) -> Rolled:
    """Forecast every row by every member.

    Args:
        members: who.
        table: the days; of each row only what lies before it is looked at.
        rows: what is forecast.
        kept: where work is kept and taken up again; None: nowhere.
        progress: told after each chunk.
        clock: seconds of work.
    """
    mark = _mark(table, rows)
    done = _resume(kept, mark)
    for member in members:
        said = done.said.get(member.name, np.empty((0, table.points)))
        progress(member.name, len(said), len(rows))
        while len(said) < len(rows):
            began = clock()
            chunk = rows[len(said) : len(said) + CHUNK_DAYS]
            new = np.empty((len(chunk), table.points))
            for at, row in enumerate(chunk):
                one, flags = ask((member,), table, row)
                new[at] = one[0]
                for flag in flags:
                    done.flags[flag] = done.flags.get(flag, 0) + 1
            said = np.vstack([said, new])
            done.said[member.name] = said
            done.seconds[member.name] = done.seconds.get(member.name, 0.0) + clock() - began
            _keep(kept, mark, done)
            progress(member.name, len(said), len(rows))
    return done


def _mark(table: DayTable, rows: range) -> str:
    """Return what tells this work from another."""
    seen = hashlib.sha256(f"{table.dates[rows[0]]} {table.dates[rows[-1]]}".encode())
    seen.update(np.ascontiguousarray(table.price).tobytes())
    for values in (table.exogenous, table.settled):
        for name, rows_of in values.items():
            seen.update(name.encode() + np.ascontiguousarray(rows_of).tobytes())
    return seen.hexdigest()


def _resume(kept: Path | None, mark: str) -> Rolled:
    if kept is None or not kept.exists():
        return Rolled()
    try:
        with np.load(kept, allow_pickle=False) as store:
            about = json.loads(str(store["about"]))
            if about["mark"] != mark:
                return Rolled()
            said = {name: store[f"said/{name}"] for name in about["seconds"]}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return Rolled()  # half written by a machine that died: done again
    return Rolled(said, about["seconds"], about["flags"])


def _keep(kept: Path | None, mark: str, done: Rolled) -> None:
    if kept is None:
        return
    about = json.dumps({"mark": mark, "seconds": done.seconds, "flags": done.flags})
    beside = kept.with_name(kept.name + ".part")
    arrays: dict[str, Any] = {f"said/{name}": own for name, own in done.said.items()}
    with beside.open("wb") as file:
        np.savez(file, about=np.array(about), **arrays)
    beside.replace(kept)
