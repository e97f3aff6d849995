"""The file of a station for a virtual plant of any size.

It is an ordinary station's file: with an address of a cloud in it the station can be enrolled,
and until then it runs alone.
"""

import json
from pathlib import Path

import tomli_w

from launcher.errors import WrongInput
from launcher.paths import DATA
from launcher.station_devices import PlantShape, devices

_CLOUD = "https://127.0.0.1:9443"
"""The edge address of a cloud on this machine, by the cloud's own default port."""


def write_station_of(plant_file: Path, out: Path) -> None:
    """Write the file of a station that reads every device of a plant.

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
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(tomli_w.dumps(_document(plant, ports)).encode())
    except OSError as error:
        raise WrongInput(
            f"--station {out}: {error.strerror}. Remedy: name a file that can be written."
        ) from error


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


def _document(plant: PlantShape, ports: dict[str, int]) -> dict[str, object]:
    return {
        "station": {
            "id": "virtual",
            "name": "Virtual plant",
            "name_zh": "虚拟电站",
            "data_dir": "data",
            "rated_power_kw": plant.rated_kw,
            "capacity_kwh": plant.capacity_kwh,
        },
        "cloud": {"url": _CLOUD},
        "estimators": {
            "bundle": str(DATA / "models" / "lfp-280ah"),
            "health_curves": str(DATA / "battery" / "health-derating.toml"),
        },
        "devices": devices(plant, ports),
    }
