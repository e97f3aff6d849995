"""The files of a station for a virtual plant of any size, and of a cloud for it to enrol with.

They are ordinary files; docs/engineer.md takes them to a station that runs. The cloud's ports
are its usual ones, on this machine.
"""

import json
import re
from pathlib import Path
from typing import Any

import tomli_w

from launcher.errors import WrongInput
from launcher.paths import DATA
from launcher.station_devices import PlantShape, devices

_HOST = "127.0.0.1"
_WEB, _EDGE, _ENROL = 8000, 9443, 9444
_CLOUD_FILE, _CLOUD_DATA = "cloud.toml", "cloud"
_FACTS_FILE = "new-station.json"
_FACTS = ("id", "name", "name_zh", "timezone", "rated_power_kw", "capacity_kwh")
"""What the cloud must know to create a station, of what the station's own file says."""


def write_station_of(plant_file: Path, out: Path) -> list[Path]:
    """Write the file of a station that reads every device of a plant, and what enrols it.

    Beside it lie the file of a cloud, where there is none yet, and the facts by which that cloud
    creates the station (`POST /api/v1/stations`). Returns the files that were written.

    Args:
        plant_file: the plant's configuration. Its ports are fixed ones, or it names the file in
            which the running plant tells them (`ports_out`).
        out: the station's file to write.

    Raises:
        WrongInput: a file cannot be used, or the ports are not known.
    """
    from simulator.config import load_config
    from simulator.errors import ConfigError

    try:
        config = load_config(plant_file)
    except ConfigError as error:
        raise WrongInput(str(error)) from error
    size = config.plant
    plant = PlantShape(
        size.containers,
        size.racks_per_container,
        size.cells_per_rack,
        size.capacity_ah,
        size.pcs_rated_kw,
    )
    ports = _ports(plant_file, config.ports.base, config.ports_out, plant.containers)
    document = _document(_station_id(plant_file), plant, ports)
    facts = {key: document["station"][key] for key in _FACTS}
    texts = {
        out: tomli_w.dumps(document),
        out.parent / _FACTS_FILE: json.dumps(facts, ensure_ascii=False, indent=2) + "\n",
    }
    if not (out.parent / _CLOUD_FILE).exists():
        texts[out.parent / _CLOUD_FILE] = tomli_w.dumps(_cloud())
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text, "utf-8")
    except OSError as error:
        raise WrongInput(
            f"--station {out}: {error.strerror}. Remedy: name a file that can be written."
        ) from error
    return list(texts)


def _station_id(plant_file: Path) -> str:
    """Return the plant's file name as an identity: letters, digits, dash, dot and underscore."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", plant_file.stem).lstrip("-_.")[:32] or "plant"


def _cloud() -> dict[str, Any]:
    return {
        "data_dir": _CLOUD_DATA,
        "web": {"host": _HOST, "port": _WEB},
        "edge": {"host": _HOST, "port": _EDGE},
        "enrol": {"host": _HOST, "port": _ENROL},
    }


def _ports(plant_file: Path, base: int, told_in: Path | None, containers: int) -> dict[str, int]:
    if base:
        from simulator.tags import ports_of

        return ports_of(containers, base)
    if told_in is None or not told_in.is_file():
        raise WrongInput(
            f"{plant_file}: ports.base = 0: which ports are free shows when the plant runs. "
            "Remedy: set ports.base, or set ports_out and start the plant first."
        )
    ports: dict[str, int] = json.loads(told_in.read_text())
    return ports


def _document(station: str, plant: PlantShape, ports: dict[str, int]) -> dict[str, Any]:
    return {
        "station": {
            "id": station,
            "name": "Virtual plant",
            "name_zh": "虚拟电站",
            "timezone": "Asia/Shanghai",
            "data_dir": "data",
            "rated_power_kw": plant.rated_kw,
            "capacity_kwh": plant.capacity_kwh,
        },
        "cloud": {
            "url": f"https://{_HOST}:{_EDGE}",
            "enrol_url": f"https://{_HOST}:{_ENROL}",
            "ca": f"{_CLOUD_DATA}/authority.pem",
        },
        "estimators": {
            "bundle": str(DATA / "models" / "lfp-280ah"),
            "health_curves": str(DATA / "battery" / "health-derating.toml"),
        },
        "devices": devices(plant, ports),
    }
