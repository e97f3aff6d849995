"""A small virtual plant and a station beside it, as processes of their own."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import tomli_w

from contract.layouts import cells_layout, estimate_cells_layout
from tests.station.cloud_server import STATION, TestCloud
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
CURVES = ROOT / "data" / "battery" / "health-derating.toml"
BUNDLE = ROOT / "data" / "models" / "lfp-280ah"
CELLS = 16
RACKS = 2
_PROFILE = ROOT / "station" / "protocols" / "profiles" / "bms-416.toml"
_WORKER = "station.estimation.worker"
cells_layout(CELLS)
estimate_cells_layout(CELLS)


@dataclass
class Site:
    """A running station; its process, its cloud and its files."""

    station: asyncio.subprocess.Process
    cloud: TestCloud
    data_dir: Path

    def status(self) -> dict:
        file = self.data_dir / "status.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def estimators(self) -> dict:
        return self.status().get("estimators") or {}

    def worker(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.station.pid).children():
                if _WORKER in child.cmdline():
                    return child
        return None

    def codes(self) -> list[str]:
        return [event.code for event in self.cloud.events]

    async def stop(self) -> None:
        self.station.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.station.wait(), 40)


@contextlib.asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[dict[str, int]]:
    """Run a plant of one container; yields the ports of its devices."""
    folder.mkdir()  # noqa: ASYNC240 - before anything runs
    ports = folder / "ports.json"
    sizes = {"containers": 1, "racks_per_container": RACKS, "cells_per_rack": CELLS}
    document = {"ports_out": str(ports), "plant": {**sizes, "pcs_rated_kw": 60.0}}
    file = folder / "plant.toml"
    file.write_bytes(tomli_w.dumps(document).encode())
    log = (folder / "plant.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", str(file)), stdout=log, stderr=log
    )
    try:
        await wait_for(ports.exists, "the plant's ports", 60)
        yield json.loads(ports.read_text())
    finally:
        process.kill()
        await process.wait()
        log.close()


def write_station(
    folder: Path, cloud: TestCloud, ports: dict[str, int], estimators: dict | None
) -> Path:
    folder.mkdir(exist_ok=True)
    profile = folder / "bms.toml"
    text = _PROFILE.read_text("utf-8").replace("416", str(CELLS))
    profile.write_text(text, "utf-8")
    racks = [f"C1-R{k:02d}" for k in range(1, RACKS + 1)]
    modbus = {"driver": "modbus"}
    rack = {"role": "rack", "profile": "bms.toml", "container": "C1"}
    devices = [
        {**modbus, "tag": "METER", "role": "meter", "profile": "meter.toml"},
        *({**modbus, **rack, "tag": t, "unit": n} for n, t in enumerate(racks, 1)),
        {
            "tag": "C1-PCS",
            "role": "pcs",
            "driver": "iec61850",
            "ied": "C1PCS",
            "profile": str(ROOT / "data" / "profiles" / "pcs.icd"),
            "container": "C1",
            "rated_kw": 60.0,
        },
    ]
    for device in devices:
        device["port"] = ports["C1-BMS" if device["role"] == "rack" else device["tag"]]
    document = {
        "station": {
            "id": STATION,
            "data_dir": str(folder),
            "rated_power_kw": 60.0,
            "capacity_kwh": RACKS * CELLS * 3.2 * 0.28,
        },
        "cloud": {"url": cloud.url},
        "devices": devices,
    }
    if estimators is not None:
        document["estimators"] = {"bundle": str(BUNDLE), **estimators}
    file = folder / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())
    return file


@contextlib.asynccontextmanager
async def station_at(
    folder: Path, ports: dict[str, int], estimators: dict | None
) -> AsyncIterator[Site]:
    """Run a station beside a plant; it is ended by force if the test did not."""
    data_dir = folder / "station"
    async with TestCloud(folder / "cloud") as cloud:
        cloud.identity(data_dir)
        file = write_station(data_dir, cloud, ports, estimators)
        log = (folder / "station.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "station", str(file)), stdout=log, stderr=log
        )
        try:
            yield Site(process, cloud, data_dir)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            log.close()
