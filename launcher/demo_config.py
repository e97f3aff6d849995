"""Writes the three configuration files of a demo: plant, cloud and station.

They are ordinary configuration files: with `--keep FOLDER` a newcomer finds them there and can
start each tier by hand.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tomli_w

from launcher.paths import DATA
from launcher.ports import free_block
from launcher.station_devices import PlantShape, devices

CONTAINERS = 2
RACKS_PER_CONTAINER = 10
CELLS_PER_RACK = 416
CAPACITY_AH = 280
PCS_RATED_KW = 1725.0
PLANT = PlantShape(CONTAINERS, RACKS_PER_CONTAINER, CELLS_PER_RACK, CAPACITY_AH, PCS_RATED_KW)
CAPACITY_KWH = PLANT.capacity_kwh
REGULATION_KW = 300.0
STATION_ID = "demo"
STATION_NAME = "Demo station"
STATION_NAME_ZH = "示范电站"
TIMEZONE = "Asia/Shanghai"
_PLANT_PORTS = 3 + 6 * CONTAINERS
"""Meter, two panels, and of each container converter, batteries and four auxiliaries."""


@dataclass(frozen=True)
class Folders:
    """Where a run keeps its files."""

    root: Path

    @property
    def plant(self) -> Path:
        """Configuration, ports and record of the virtual plant."""
        return self.root / "plant"

    @property
    def cloud(self) -> Path:
        """Database and keys of the cloud."""
        return self.root / "cloud"

    @property
    def station(self) -> Path:
        """Identity, queue and status of the station."""
        return self.root / "station"

    @property
    def market(self) -> Path:
        """Recording, configuration and journal of the test exchange."""
        return self.root / "market"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.root / "logs"

    @property
    def record(self) -> Path:
        """The plant's own record of what its devices served."""
        return self.plant / "record.sqlite"

    @property
    def scenario_start(self) -> Path:
        """Its coming into being begins the clock of a scenario that waits for it."""
        return self.plant / "scenario-begins"

    def make(self) -> None:
        """Create the folders; others may pass through (the database runs as another account)."""
        for folder in (*(self.root, self.plant, self.cloud, self.station, self.market, self.logs),):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        self.cloud.chmod(0o711)


@dataclass(frozen=True)
class Ports:
    """Where everything listens; 0: wherever is free, so that runs do not meet."""

    plant: int = 0
    web: int = 0
    edge: int = 0
    enrol: int = 0
    centre: int = 0
    exchange: int = 0

    @classmethod
    def fixed(cls) -> "Ports":
        """Ports that stay, for a run whose files are used again.

        Raises:
            LauncherError: not enough are free.
        """
        base = free_block(len(fields(cls)) - 1 + _PLANT_PORTS)
        return cls(base + 5, base, base + 1, base + 2, base + 3, base + 4)


def write_plant(
    folders: Folders, scenario: Path, base_port: int = 0, *, start_file: Path | None = None
) -> Path:
    """The virtual plant's configuration; the scenario begins at once, or with `start_file`."""
    waiting = {} if start_file is None else {"scenario_start_file": str(start_file)}
    return _write(
        folders.plant / "plant.toml",
        {
            "scenario": str(scenario),
            **waiting,
            "record": str(folders.record),
            "ports_out": str(folders.plant / "ports.json"),
            "plant": {
                "containers": CONTAINERS,
                "racks_per_container": RACKS_PER_CONTAINER,
                "cells_per_rack": CELLS_PER_RACK,
                "capacity_ah": CAPACITY_AH,
                "pcs_rated_kw": PCS_RATED_KW,
            },
            "ports": {"base": base_port},
        },
    )


def write_cloud(
    folders: Folders, workers: int, ports: Ports, market: dict[str, Any] | None = None
) -> Path:
    """The cloud's configuration: the embedded database, and the market where there is one."""
    return _write(
        folders.cloud / "cloud.toml",
        {
            "data_dir": str(folders.cloud),
            "workers": workers,
            "database": {"dsn": "embedded"},
            "web": {"host": "127.0.0.1", "port": ports.web},
            "edge": {"host": "127.0.0.1", "port": ports.edge},
            "enrol": {"host": "127.0.0.1", "port": ports.enrol},
            **({} if market is None else {"market": market}),
        },
    )


@dataclass(frozen=True)
class Neighbours:
    """Whom the station talks to beside its devices.

    Attributes:
        edge_url, enrol_url: of the cloud.
        ca: its authority's certificate.
        centre_port: where the grid's dispatch centre connects.
    """

    edge_url: str
    enrol_url: str
    ca: Path
    centre_port: int


def write_station(folders: Folders, ports: dict[str, int], neighbours: Neighbours) -> Path:
    """The station's configuration: every device of the plant, and the way to the cloud."""
    return _write(
        folders.station / "station.toml",
        {
            "station": {
                "id": STATION_ID,
                "name": STATION_NAME,
                "name_zh": STATION_NAME_ZH,
                "timezone": TIMEZONE,
                "data_dir": str(folders.station),
                "rated_power_kw": CONTAINERS * PCS_RATED_KW,
                "capacity_kwh": CAPACITY_KWH,
                "soc_min": 0.05,
                "soc_max": 0.95,
            },
            "cloud": {
                "url": neighbours.edge_url,
                "enrol_url": neighbours.enrol_url,
                "ca": str(neighbours.ca),
            },
            "safe_state": {"after_s": 900, "power_kw": 0.0},
            "centre": {"port": neighbours.centre_port},
            "estimators": {
                "bundle": str(DATA / "models" / "lfp-280ah"),
                "health_curves": str(DATA / "battery" / "health-derating.toml"),
            },
            "primary_frequency": {"dead_band_hz": 0.05, "droop_pct": 2.0},
            "regulation": {
                "file": str(DATA / "market" / "regulation_signal.csv"),
                "capacity_kw": REGULATION_KW,
                "period_s": 4,
            },
            "devices": devices(PLANT, ports),
        },
    )


def _write(path: Path, content: dict[str, Any]) -> Path:
    path.write_bytes(tomli_w.dumps(content).encode())
    return path
