"""The configuration of the station that stands beside a rehearsed plant, and its device profiles.

The same device tags and profiles as a demo's station, for a plant of any number of containers
and racks; the port numbers stand for nothing, since nobody connects.
"""

from pathlib import Path

from simulator.config import PlantConfig
from simulator.tags import FIRE, METER, PANEL, rack_tag
from station.config import StationConfig

_NOMINAL_CELL_V = 3.2
"""Rated energy is named so (GB/T 36276)."""
_SAFE_AFTER_S = 900
"""As the demo's station: a short loss of its plans must not stop it."""


def station_config(plant: PlantConfig) -> StationConfig:
    """Return the configuration of a station with all devices of this plant."""
    cells = plant.containers * plant.racks_per_container * plant.cells_per_rack
    return StationConfig.model_validate(
        {
            "station": {
                "id": "rehearsal",
                "data_dir": str(Path("unused")),
                "rated_power_kw": plant.containers * plant.pcs_rated_kw,
                "capacity_kwh": cells * _NOMINAL_CELL_V * plant.capacity_ah / 1e3,
            },
            "cloud": {"url": "https://127.0.0.1:1"},
            "safe_state": {"after_s": _SAFE_AFTER_S},
            "devices": [
                _device(METER, "meter", "meter.toml"),
                _device(FIRE, "fire", "fire.toml"),
                _device(PANEL, "panel", "panel.toml"),
                *(one for k in range(plant.containers) for one in _container(plant, k)),
            ],
        }
    )


def _container(plant: PlantConfig, k: int) -> list[dict[str, object]]:
    name = f"C{k + 1}"
    racks = range(plant.racks_per_container)
    return [
        _device(f"{name}-PCS", "pcs", "pcs.icd", name, rated_kw=plant.pcs_rated_kw),
        *(_device(rack_tag(k, n), "rack", "bms-416.toml", name, unit=n + 1) for n in racks),
        _device(f"{name}-CHL", "chiller", "chiller.toml", name),
        _device(f"{name}-IMD", "insulation", "insulation.toml", name),
        _device(f"{name}-FIRE", "fire", "fire.toml", name),
        _device(f"{name}-VENT", "ventilation", "ventilation.toml", name),
    ]


def _device(
    tag: str, role: str, profile: str, container: str = "", **more: object
) -> dict[str, object]:
    driver = "iec61850" if role == "pcs" else "modbus"
    where = {"container": container, "port": 1}
    return {"tag": tag, "role": role, "driver": driver, "profile": profile, **where, **more}
