"""The whole big plant: real devices on the line, one real station process tree that reads them.

Runs the simulator with ``data/simulator/big-plant.toml``, enrols a station with a cloud that takes
everything, and looks after a start how much processor time each of the station's processes uses.
``./stationmaster bench acquisition --only plant --seconds 60`` runs this part alone.
"""

import json
import math
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import tomli_w

from bench._acquisition_cloud import taking
from bench._acquisition_rows import Rows, row
from launcher import processes
from launcher.paths import DATA
from launcher.plant_station import write_station_of
from launcher.ports import free_block

_SECONDS = 600.0
_READY_S = 240.0
_PORTS = 243
"""Of the big plant, as its file says."""
_SETTLE_S = 45.0
"""Connections stand, every rack has told its cells, and the first garbage is gone."""
_MEMORY_EVERY_S = 10.0
_CELLS_PERIOD_S = 60.0
"""Estimates of single cells are told so often: at 160,000 cells they are 1.6 million values."""


@dataclass
class Watched:
    """What was seen of a station over a time.

    Attributes:
        seconds: how long.
        cores: by process, processor seconds a second.
        memory_mb: by process, resident each ten seconds.
        oldest_s: the largest age seen, by family of layouts.
        first, last: the station's own status at both ends.
    """

    seconds: float = 0.0
    cores: dict[str, float] = field(default_factory=dict)
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    oldest_s: dict[str, float] = field(default_factory=dict)
    first: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)


def run_rows(seconds: float = _SECONDS) -> Rows:
    """Run the plant and its station for so many seconds and return the rows."""
    with (
        tempfile.TemporaryDirectory(prefix="stationmaster-bench-") as name,
        _station(Path(name)) as (pid, status_file),
    ):
        watched = _watch(pid, status_file, seconds)
    return _rows(watched)


@contextmanager
def _station(folder: Path) -> Iterator[tuple[int, Path]]:
    """Run plant, cloud and station; gives the station's process and its status file."""
    plant_file, config = folder / "plant.toml", folder / "station.toml"
    plant_document = tomllib.loads((DATA / "simulator" / "big-plant.toml").read_text())
    plant_document["ports"]["base"] = free_block(_PORTS)
    plant_file.write_text(tomli_w.dumps(plant_document))
    write_station_of(plant_file, config)
    document = tomllib.loads(config.read_text())
    data_dir, site = folder / "data", document["station"]["id"]
    with taking(folder, data_dir, site) as address:
        document["cloud"]["url"] = address
        document["station"]["data_dir"] = str(data_dir)
        document["estimators"]["cells_period_s"] = _CELLS_PERIOD_S
        config.write_text(tomli_w.dumps(document))
        plant = processes.start("plant", ["simulator", str(plant_file)], folder / "plant.log")
        try:
            plant.wait_ready(_READY_S)
            station = processes.start("station", ["station", str(config)], folder / "station.log")
            try:
                yield station.pid, data_dir / "status.json"
            finally:
                station.stop()
        finally:
            plant.stop()


def _watch(pid: int, status_file: Path, seconds: float) -> Watched:
    head = psutil.Process(pid)
    end_s = time.monotonic() + _READY_S
    while not status_file.exists() and time.monotonic() < end_s:
        time.sleep(1.0)
    time.sleep(_SETTLE_S)
    watched = Watched(first=json.loads(status_file.read_text()))
    begun = _used(head)
    begun_s = time.monotonic()
    memory_due_s = 0.0
    while time.monotonic() - begun_s < seconds:
        time.sleep(1.0)
        watched.last = json.loads(status_file.read_text())
        for family, age_s in watched.last["oldest_s"].items():
            watched.oldest_s[family] = max(age_s, watched.oldest_s.get(family, 0.0))
        if time.monotonic() - begun_s >= memory_due_s:
            memory_due_s += _MEMORY_EVERY_S
            for name, (_, memory_mb) in _used(head).items():
                watched.memory_mb.setdefault(name, []).append(memory_mb)
    watched.seconds = time.monotonic() - begun_s
    for name, (cpu_s, _) in _used(head).items():
        watched.cores[name] = (cpu_s - begun.get(name, (0.0, 0.0))[0]) / watched.seconds
    return watched


def _used(head: psutil.Process) -> dict[str, tuple[float, float]]:
    """Return processor seconds and resident memory, MB, of each process of the station."""
    found: dict[str, tuple[float, float]] = {}
    for process in (head, *head.children(recursive=True)):
        try:
            times, memory = process.cpu_times(), process.memory_info().rss / 1e6
            name = _called(process, head)
        except psutil.NoSuchProcess:
            continue
        found[name] = (times.user + times.system, memory)
    return found


def _called(process: psutil.Process, head: psutil.Process) -> str:
    if process.pid == head.pid:
        return "controller"
    words = process.cmdline()
    module = next((word for word in words if word.startswith("station.")), "other")
    if module == "station.protocols.worker":
        return words[words.index(module) + 1] if module in words else module
    return module.removeprefix("station.").removesuffix(".worker")


def _missed(watched: Watched) -> dict[str, float]:
    """Return by kind the samples and the slots of fast lanes that devices were asked for in vain.

    Kinds without any are left out.
    """
    missed: Counter[str] = Counter()
    for sign, status in ((1, watched.last), (-1, watched.first)):
        for device, count in status["readings_missed"]["counts"].items():
            missed[_kind(device)] += sign * count
        for device, lane in status["fast_lanes"].items():
            missed[f"fast {_kind(device)}"] += sign * lane["missed"]
    return {kind: float(count) for kind, count in missed.items() if count}


def _kind(device: str) -> str:
    """Return the letters with which a device's tag begins."""
    return device.rstrip("0123456789-/")


def _grown(seen: Sequence[float]) -> float:
    """Return by how much memory grew between the first and the last third of the time."""
    third = max(1, len(seen) // 3)
    return sum(seen[-third:]) / third - sum(seen[:third]) / third


def _rows(watched: Watched) -> Rows:
    cores = watched.cores
    ends_mb = {name: seen[-1] for name, seen in watched.memory_mb.items()}
    grown_mb = {name: _grown(seen) for name, seen in watched.memory_mb.items()}
    last = watched.last
    fast = "pcs", "rack", "meter", "panel"
    missed = _missed(watched)
    return [
        row("station_cores", sum(cores.values()), "cores", 1.2, peers=cores),
        row(
            "cycle_p99_ms",
            last["cycle_ms"]["p99"],
            "ms",
            200.0,
            peers={"p50": last["cycle_ms"]["p50"]},
        ),
        row(
            "preprocess_p99_ms",
            last["preprocessing"]["p99_ms"],
            "ms",
            10.0,
            peers={"p50": last["preprocessing"]["p50_ms"]},
        ),
        row("oldest_cell_age_s", watched.oldest_s.get("cells", float("inf")), "s", 5.0),
        row("oldest_fast_age_s", max(watched.oldest_s.get(f, math.inf) for f in fast), "s", 2.0),
        row("plant_missed_polls", sum(missed.values()), "polls", 0.0, peers=missed),
        row("cycles_missed", last["missed"] - watched.first["missed"], "cycles", 0.0),
        row("station_memory_mb", sum(ends_mb.values()), "MB", None, peers=ends_mb),
        row("station_memory_growth_mb", sum(grown_mb.values()), "MB", None, peers=grown_mb),
        row("estimator_restarts", last["estimators"]["restarts"], "times", 0.0),
        row("plant_seconds", watched.seconds, "s", None, better="more"),
    ]
