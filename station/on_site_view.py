"""What a person beside the station is told of it: how it works, and what waits for a reset.

Read from what the running station keeps in its data folder; nothing is written.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from contract.states import CONTROL_MODE, PROTECTION_LEVEL, States
from station.protection.findings import Latch
from station.protection.levels import ResetRule
from station.protection.state import LatchError, ProtectionState

CAN_BE_ASKED = "ask it: --reset TARGET (a device, a container, or station), or --schedule FILE"
_STALE_MS = 10_000
"""The status file is rewritten every second; an older one says how it was."""


def told(data_dir: Path, now_ms: int | None = None) -> list[str]:
    """Return lines about the station of this folder, the last of them says what can be asked."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return [*_state(data_dir / "status.json", now_ms), *_latches(data_dir), CAN_BE_ASKED]


def _state(file: Path, now_ms: int) -> list[str]:
    try:
        status = json.loads(file.read_text(encoding="utf-8"))
        values, age_ms = status["station"], now_ms - int(status["at_ms"])
        lines = [
            f"control mode: {_word(CONTROL_MODE, values, 'control_mode')}",
            f"protection: {_word(PROTECTION_LEVEL, values, 'protection_level')}",
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return [f"state: not known, {file} cannot be read; is the station running there?"]
    if age_ms > _STALE_MS:
        lines.insert(0, f"no word for {age_ms / 1000:.0f} s: the station stands; its last word was")
    return lines


def _word(states: States, values: Mapping[str, Any], name: str) -> str:
    return next((en for number, en, _ in states if number == values.get(name)), "not known")


def _latches(data_dir: Path) -> list[str]:
    file = data_dir / "journal.sqlite"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT content FROM latches").fetchone()
        kept = ProtectionState.restore(json.loads(row[0]) if row else [])
    except (sqlite3.Error, ValueError, LatchError) as error:
        return [f"waits for a reset: not known, {file} cannot be read: {error}"]
    if not kept.latched:
        return ["waits for a reset: nothing"]
    return ["waits for a reset:", *(_latch(latch) for latch in kept.latched.values())]


def _latch(latch: Latch) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(latch.since_ms / 1000))
    named = ", must be named" if latch.reset is ResetRule.NAMED else ""
    return f"  {latch.device}: {latch.name.en}, since {since}{named}"
