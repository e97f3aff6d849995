"""The devices of a virtual plant as a station's file lists them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launcher.paths import DATA

_NOMINAL_CELL_V = 3.2
"""GB/T 36276 names rated energy by it."""
_SITE = (("METER", "meter"), ("FIRE", "fire"), ("PANEL", "panel"))
_AUXILIARIES = (
    ("CHL", "chiller"),
    ("IMD", "insulation"),
    ("FIRE", "fire"),
    ("VENT", "ventilation"),
)


@dataclass(frozen=True)
class PlantShape:
    """Size of a plant: containers of racks of cells, one converter each."""

    containers: int
    racks_per_container: int
    cells_per_rack: int
    capacity_ah: float
    pcs_rated_kw: float

    @property
    def rated_kw(self) -> float:
        """Rated power of the plant."""
        return self.containers * self.pcs_rated_kw

    @property
    def capacity_kwh(self) -> float:
        """Rated energy of the plant."""
        cells = self.containers * self.racks_per_container * self.cells_per_rack
        return round(cells * _NOMINAL_CELL_V * self.capacity_ah / 1e3, 1)


def devices(plant: PlantShape, ports: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the entries of `[[devices]]`; `ports` are those of the plant's device tags."""
    site = [_modbus(tag, role, f"{role}.toml", ports[tag]) for tag, role in _SITE]
    numbers = range(1, plant.containers + 1)
    return [*site, *(one for k in numbers for one in _container(plant, f"C{k}", ports))]


def _container(plant: PlantShape, name: str, ports: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    yield {
        "tag": f"{name}-PCS",
        "role": "pcs",
        "driver": "iec61850",
        "profile": str(DATA / "profiles" / "pcs.icd"),
        "host": "127.0.0.1",
        "port": ports[f"{name}-PCS"],
        "ied": f"{name}PCS",
        "container": name,
        "rated_kw": plant.pcs_rated_kw,
    }
    profile = f"bms-{plant.cells_per_rack}.toml"
    for rack in range(1, plant.racks_per_container + 1):
        tag, port = f"{name}-R{rack:02d}", ports[f"{name}-BMS"]
        yield _modbus(tag, "rack", profile, port, unit=rack) | {"container": name}
    for kind, role in _AUXILIARIES:
        tag = f"{name}-{kind}"
        yield _modbus(tag, role, f"{role}.toml", ports[tag]) | {"container": name}


def _modbus(tag: str, role: str, profile: str, port: int, *, unit: int = 1) -> dict[str, Any]:
    return {
        "tag": tag,
        "role": role,
        "driver": "modbus",
        "profile": profile,
        "host": "127.0.0.1",
        "port": port,
        "unit": unit,
    }
