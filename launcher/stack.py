"""A whole house on one machine: plant, cloud and station as real processes, and the cable.

The demo shows it to people; the end-to-end tests pull it apart.
"""

import contextlib
import csv
import datetime as dt
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psutil
import psycopg

from launcher import demo_config, demo_market, processes
from launcher.cloud_client import CloudClient
from launcher.demo_config import Folders
from launcher.demo_market import MarketPlace
from launcher.errors import LauncherError
from launcher.known_cells import keep_known_soc
from launcher.paths import DATA
from launcher.ports import free_block
from launcher.relay import Relay

_PLANT_READY_S = 60.0
_CLOUD_READY_S = 90.0
_EXCHANGE_READY_S = 60.0
_FIRST_BATCH_S = 60.0
_POLL_S = 0.1
_SAID = "stationmaster: "


@dataclass(frozen=True)
class SignIn:
    """The administrator of the first start."""

    user: str
    password: str


@dataclass
class Stack:
    """Starts the tiers in order, keeps hold of them, stops them in reverse.

    Attributes:
        scenario_waits: the scenario's clock begins with `begin_scenario`, not with the plant.
        checkpoint: called while a tier is waited for; what it raises ends the wait.
    """

    folders: Folders
    scenario: Path
    workers: int = 1
    scenario_waits: bool = False
    checkpoint: Callable[[], None] = lambda: None
    ports: demo_config.Ports = field(default_factory=demo_config.Ports)
    device_ports: dict[str, int] = field(default_factory=dict)
    plant: processes.Child | None = None
    cloud: processes.Child | None = None
    station: processes.Child | None = None
    exchange: processes.Child | None = None
    place: MarketPlace | None = None
    prices_until_ms: int = 0
    relay: Relay | None = None
    sign_in: SignIn | None = None
    addresses: dict[str, str] = field(default_factory=dict)
    station_config: Path | None = None
    centre_port: int = 0

    def start_plant(self) -> dict[str, int]:
        """Start the virtual plant; return the port of every device."""
        self.folders.make()
        start_file = self.folders.scenario_start if self.scenario_waits else None
        config = demo_config.write_plant(
            self.folders, self.scenario, self.ports.plant, start_file=start_file
        )
        self.plant = processes.start(
            "plant", ["simulator", str(config)], self.folders.logs / "plant.log"
        )
        ready = self.plant.wait_ready(_PLANT_READY_S, self.checkpoint)
        self.device_ports = dict(ready["ports"])
        return self.device_ports

    def begin_scenario(self) -> None:
        """Let the clock of a scenario that waits begin now."""
        self.folders.scenario_start.touch()

    def start_exchange(self) -> str:
        """Start the test exchange, so that the cloud has a market; return its address."""
        self.folders.make()
        folder = self.folders.market
        recording = demo_market.write_recording(folder, market_today())
        config = demo_market.write_exchange(folder, recording, self.ports.exchange)
        self.exchange = processes.start(
            "exchange", ["simulator.exchange", str(config)], self.folders.logs / "exchange.log"
        )
        ready = self.exchange.wait_ready(_EXCHANGE_READY_S, self.checkpoint)
        address = f"http://127.0.0.1:{ready['ports']['exchange']}"
        self.place = MarketPlace(address, folder / "token", recording)
        return address

    def import_prices(self) -> int:
        """Let the running cloud know what the market has published until now; return the rows.

        With the prices the desk begins to draft, so its limits are set first.
        """
        if self.sign_in is not None:
            with self.client() as client:
                client.set_limits(demo_market.DESK, demo_market.limits(), "limits of the demo")
        return self._import(0)

    def roll_prices(self) -> int:
        """Let the cloud know what the market has published since it was last told; return the rows.

        A demo that runs for days has a market on each of them. While the database does not answer
        nothing is lost: the next call tries again.
        """
        if self.place is None or demo_market.known_until_ms(_now_ms()) <= self.prices_until_ms:
            return 0
        try:
            return self._import(self.prices_until_ms)
        except psycopg.Error:
            return 0

    def _import(self, from_ms: int) -> int:
        if self.place is None:
            raise LauncherError("there is no exchange: start it before the cloud.")
        until_ms = demo_market.known_until_ms(_now_ms())
        config = self.folders.cloud / "cloud.toml"
        count = demo_market.import_recording(config, self.place, from_ms)
        self.prices_until_ms = until_ms
        return count

    def start_cloud(self) -> dict[str, str]:
        """Start database and workers; return the addresses."""
        self.folders.make()
        place = self.place
        market = None if place is None else demo_market.section(place, demo_config.STATION_ID)
        config = demo_config.write_cloud(self.folders, self.workers, self.ports, market)
        self.cloud = processes.start(
            "cloud", ["cloud", str(config)], self.folders.logs / "cloud.log"
        )
        ready = self.cloud.wait_ready(_CLOUD_READY_S, self.checkpoint)
        self.addresses = dict(ready["addresses"])
        first = ready.get("first_sign_in")
        if first:
            self.sign_in = SignIn(first["user"], first["password"])
        return self.addresses

    def client(self) -> CloudClient:
        """A signed-in client of the cloud."""
        if self.sign_in is None:
            raise LauncherError("the cloud has not told its first sign-in: it was started before.")
        client = CloudClient(self.addresses["web"])
        client.sign_in(self.sign_in.user, self.sign_in.password)
        return client

    def enrol_station(self, ports: dict[str, int], client: CloudClient) -> None:
        """Create the station in the cloud and let it enrol by its one-time token."""
        token = client.create_station(
            {
                "id": demo_config.STATION_ID,
                "name": demo_config.STATION_NAME,
                "name_zh": demo_config.STATION_NAME_ZH,
                "timezone": demo_config.TIMEZONE,
                "rated_power_kw": demo_config.CONTAINERS * demo_config.PCS_RATED_KW,
                "capacity_kwh": demo_config.CAPACITY_KWH,
                "soc_min": 0.05,
                "soc_max": 0.95,
            }
        )
        token_file = self.folders.station / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        edge = urlsplit(self.addresses["edge"])
        if edge.port is None:
            raise LauncherError(f"the cloud's edge address has no port: {self.addresses['edge']}")
        self.relay = Relay(edge.port)
        self.station_config = self.write_station(f"https://127.0.0.1:{self.relay.start()}", ports)
        words = ["station", "enrol", str(self.station_config), "--token-file", str(token_file)]
        status, said = processes.run_to_end(words, self.checkpoint)
        token_file.unlink(missing_ok=True)
        if status != 0:
            raise LauncherError(f"the station could not enrol: {said.strip().removeprefix(_SAID)}")
        keep_known_soc(self.station_config, self.scenario)

    def write_station(self, edge_url: str, ports: dict[str, int] | None = None) -> Path:
        """Write the station's configuration with this way to the cloud."""
        self.centre_port = self.centre_port or self.ports.centre or free_block(1)
        neighbours = demo_config.Neighbours(
            edge_url=edge_url,
            enrol_url=self.addresses["enrol"],
            ca=Path(self.addresses["ca"]),
            centre_port=self.centre_port,
        )
        return demo_config.write_station(self.folders, ports or self.device_ports, neighbours)

    def leave_station(self) -> None:
        """Point the station's configuration, if there is one, past the relay: it ends with us."""
        if self.station_config is not None:
            self.write_station(self.addresses["edge"])

    def start_station(self) -> None:
        """Start the controller and wait until the cloud has acknowledged a first batch."""
        self.launch_station()
        end = time.monotonic() + _FIRST_BATCH_S
        while self.status().get("batches_acked", 0) < 1:
            self.checkpoint()
            assert self.station is not None  # noqa: S101 - launched above
            self.station.require_running()
            if time.monotonic() > end:
                raise LauncherError(
                    f"no batch was acknowledged in {_FIRST_BATCH_S:.0f} s; "
                    f"the station's log is {self.folders.logs / 'station.log'}"
                )
            time.sleep(_POLL_S)

    def launch_station(self) -> None:
        """Start the controller's process; what an earlier one wrote of itself is forgotten."""
        (self.folders.station / "status.json").unlink(missing_ok=True)
        self.station = processes.start(
            "station", ["station", str(self.station_config)], self.folders.logs / "station.log"
        )

    def status(self) -> dict[str, Any]:
        """What the station last wrote of itself; empty before its first cycle."""
        try:
            return dict(json.loads((self.folders.station / "status.json").read_text()))
        except (OSError, ValueError):
            return {}

    def memory_mb(self) -> dict[str, float]:
        """Resident memory of each process that runs now, named by tier and role."""
        memory: dict[str, float] = {}
        for child in (self.plant, self.exchange, self.cloud, self.station):
            if child is None:
                continue
            for process in child.tree():
                name = f"{child.name}/{_role(process)}"
                memory[name] = round(memory.get(name, 0.0) + processes.resident_mb([process]), 1)
        return memory

    def stop(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Stop everything in reverse order of start; `progress` hears the name of each part."""
        for child in (self.station, self.cloud, self.exchange, self.plant):
            if child is not None and child.running():
                with contextlib.suppress(OSError):  # a closed terminal keeps nothing running
                    progress(child.name)
                child.stop()
        if self.relay is not None:
            self.relay.stop()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _role(process: Any) -> str:
    """A word for a process from its command line."""
    try:
        words, name = process.cmdline(), process.name()
    except psutil.Error:  # it just ended
        return "ended"
    if words and "postgres" in words[0]:
        return "postgresql"
    modules = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-m"]
    if not modules:
        return name or "process"
    tail = [word for word in words[words.index("-m") + 2 :] if word in {"modbus", "iec61850"}]
    return ".".join([modules[0], *tail])


def default_schedule() -> list[float]:
    """The 96 powers in kW of the sample day (data/market/default_schedule.csv)."""
    path = DATA / "market" / "default_schedule.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [float(row["power_kw"]) for row in csv.DictReader(lines)]


def schedule_for(date: dt.date) -> dict[str, Any]:
    """The sample day's schedule as the cloud takes it."""
    return {
        "date": date.isoformat(),
        "timezone": demo_config.TIMEZONE,
        "interval_min": 15,
        "power_kw": default_schedule(),
    }


def market_today() -> dt.date:
    """Today in the demo station's market time."""
    return dt.datetime.now(ZoneInfo(demo_config.TIMEZONE)).date()
