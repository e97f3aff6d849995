"""The demo's whole house as real processes, driven by frequency steps for some minutes."""

import sqlite3
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from bench._dispatch_steps import (
    PER_S,
    Answer,
    SetpointChange,
    answers,
    read_record,
    steps,
    write_scenario,
)
from launcher import demo_config, processes
from launcher.demo_config import Folders
from launcher.stack import Stack, market_today, schedule_for

_DROOP_HZ = 1.0
"""The demo's droop of 2 % asks for rated power at 1 Hz beyond the dead band."""
_SCHEDULE_PART = 0.5
"""Of the sample day's powers: a step is then never cut by the station's rating."""
_PLANT_READY_S = 60.0
_SETTLE_S = 15.0
_AFTER_S = 5.0
_BEGIN = "begin"


@dataclass(frozen=True)
class Run:
    """What a run showed.

    Attributes:
        answers: to every step. issued_ms: when the station issued each answering set-point,
            by device and acceptance.
        fast: figures of the fast loop over the measured time. latency: of its meter readings.
    """

    answers: Sequence[Answer]
    issued_ms: dict[tuple[str, int], int]
    fast: dict[str, float]

    def parts_ms(self) -> tuple[list[int], list[int]]:
        """Return times from register to issue, and from issue to acceptance."""
        to_issue, to_accept = [], []
        for answer in self.answers:
            for change in answer.changes:
                issued = self.issued_ms.get((change.device, change.at_ms))
                if issued is not None:
                    to_issue.append(issued - answer.shown_ms)
                    to_accept.append(change.at_ms - issued)
        return to_issue, to_accept


def run_house(seconds: float) -> Run:
    """Run plant, cloud and station for so many seconds of steps."""
    with tempfile.TemporaryDirectory(prefix="stationmaster-bench-") as name:
        folders = Folders(Path(name))
        folders.make()
        scenario = folders.root / "steps.toml"
        write_scenario(scenario, steps(_SETTLE_S, _SETTLE_S + seconds))
        stack = Stack(folders, scenario)
        try:
            _start(stack)
            (folders.plant / _BEGIN).touch()
            time.sleep(_SETTLE_S)
            before = stack.status()["fast_loop"]
            time.sleep(seconds)
            after = stack.status()["fast_loop"]
            time.sleep(_AFTER_S)
        finally:
            stack.stop()
        rated_kw = demo_config.CONTAINERS * demo_config.PCS_RATED_KW
        found = answers(*read_record(folders.record, rated_kw / _DROOP_HZ))
        issued_ms = _issued(folders.station / "commands.sqlite", found)
        return Run(found, issued_ms, _between(before, after))


def _start(stack: Stack) -> None:
    """Start the tiers; the plant gets a rhythm of its own and waits with its scenario."""
    config = demo_config.write_plant(stack.folders, stack.scenario)
    document = tomllib.loads(config.read_text()) | {
        "steps_per_s": PER_S,
        "scenario_start_file": str(stack.folders.plant / _BEGIN),
    }
    config.write_text(tomli_w.dumps(document))
    log = stack.folders.logs / "plant.log"
    stack.plant = processes.start("plant", ["simulator", str(config)], log)
    stack.device_ports = dict(stack.plant.wait_ready(_PLANT_READY_S)["ports"])
    stack.start_cloud()
    client = stack.client()
    stack.enrol_station(stack.device_ports, client)
    stack.start_station()
    day = schedule_for(market_today())
    day["power_kw"] = [_SCHEDULE_PART * kw for kw in day["power_kw"]]
    client.send_schedule(demo_config.STATION_ID, day)


def _issued(ledger: Path, found: Sequence[Answer]) -> dict[tuple[str, int], int]:
    """Return when the station issued each answering set-point, from its own ledger.

    The ledger's acceptance is when the station heard of it, so a set-point is found by its
    value among those issued before the plant accepted it.
    """
    changes = [change for answer in found for change in answer.changes]
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        return {
            (change.device, change.at_ms): issued_ms
            for change in changes
            if (issued_ms := _issue(database, change)) is not None
        }


def _issue(database: sqlite3.Connection, change: SetpointChange) -> int | None:
    found = database.execute(
        "SELECT issued_ms FROM commands WHERE device = ? AND point = 'active_power_setpoint_kw'"
        " AND abs(value - ?) < 0.01 AND issued_ms BETWEEN ? AND ?"
        " ORDER BY issued_ms DESC LIMIT 1",
        [change.device, change.kw, change.at_ms - 2000, change.at_ms + 1],
    ).fetchone()
    return None if found is None else int(found[0])


def _between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """Return the fast loop's figures of the time between two reports."""
    passes = after["passes"] - before["passes"]
    missed = after["missed"] - before["missed"]
    return {
        "passes": passes,
        "missed": missed,
        "missed_pct": 100 * missed / max(passes + missed, 1),
        "jitter_p50_ms": after["jitter_p50_ms"],
        "jitter_p99_ms": after["jitter_p99_ms"],
        "jitter_max_ms": after["jitter_max_ms"],
    }
