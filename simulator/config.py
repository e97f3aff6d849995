"""The simulator's configuration (TOML) and scenarios (TOML), checked on load."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.errors import ConfigError
from simulator.plant import PlantParameters

DATA = Path(__file__).resolve().parent.parent / "data"
_SCENARIOS = DATA / "simulator" / "scenarios"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlantConfig(_Strict):
    """Size of the plant."""

    containers: Annotated[int, Field(ge=1, le=40)] = 2
    racks_per_container: Annotated[int, Field(ge=1, le=40)] = 10
    cells_per_rack: Annotated[int, Field(ge=2, le=1000)] = 416
    capacity_ah: Annotated[float, Field(gt=0, le=2000)] = 280.0
    pcs_rated_kw: Annotated[float, Field(gt=0, le=10_000)] = 1725.0


class PortsConfig(_Strict):
    """Where the devices listen: `base`, `base` + 1, ... or, with 0, wherever is free."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    base: Annotated[int, Field(ge=0, le=65_000)] = 0


class SimulatorConfig(_Strict):
    """Everything the simulator is told. Paths are relative to the configuration file."""

    seed: int = 1
    speed: Annotated[
        int,
        Field(
            ge=1,
            le=600,
            description="Seconds of plant time per second of device time; 1 is the real world.",
        ),
    ] = 1
    start_soc: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    scenario: str = "normal-day"
    record: Path | None = None
    ports_out: Path | None = None
    cell: Path = DATA / "battery" / "lfp-280ah.toml"
    icd: Path = DATA / "simulator" / "pcs.icd"
    plant: PlantConfig = PlantConfig()
    ports: PortsConfig = PortsConfig()

    def plant_parameters(self) -> PlantParameters:
        """The plant's part in the plant's own terms."""
        return PlantParameters(
            cell_file=self.cell,
            containers=self.plant.containers,
            racks_per_container=self.plant.racks_per_container,
            cells_per_rack=self.plant.cells_per_rack,
            capacity_ah=self.plant.capacity_ah,
            pcs_rated_kw=self.plant.pcs_rated_kw,
            start_soc=self.start_soc,
            seed=self.seed,
        )


class Kind(StrEnum):
    """What a scenario can do. `UPLINK_CUT` is carried out by whoever runs the uplink's network."""

    UPLINK_CUT = "uplink_cut"
    DEVICE_SILENT = "device_silent"
    DEVICE_DOWN = "device_down"
    PCS_TRIP = "pcs_trip"
    PCS_LOCAL = "pcs_local"
    CELL_HEAT = "cell_heat"
    RACK_OPEN = "rack_open"
    SENSOR_FAILED = "sensor_failed"
    GAS_RELEASE = "gas_release"
    INSULATION_FAULT = "insulation_fault"
    CHILLER_FAULT = "chiller_fault"
    GRID_FREQUENCY = "grid_frequency"


class ScenarioEvent(_Strict):
    """One thing that happens: when (s after the start), what, to what, for how long."""

    at_s: Annotated[float, Field(ge=0)]
    kind: Kind
    target: str = ""
    for_s: Annotated[float, Field(gt=0)] = float("inf")
    value: float = 0.0


class Scenario(_Strict):
    """A named course of events."""

    name: str
    description: str
    events: tuple[ScenarioEvent, ...] = ()


def load_config(path: Path) -> SimulatorConfig:
    """Read a configuration; its paths become absolute.

    Raises:
        ConfigError: names the file, the key, the value and the remedy.
    """
    config = _load(path, SimulatorConfig)
    base = path.resolve().parent
    names = ("record", "ports_out", "cell", "icd")
    paths = {n: base / p for n in names if (p := getattr(config, n)) is not None}
    for key in ("cell", "icd"):
        if not paths[key].is_file():
            raise ConfigError(path, key, str(getattr(config, key)), "name a file that exists")
    return config.model_copy(update=paths)


def load_scenario(name: str, base: Path) -> Scenario:
    """Read a scenario by its name in data/simulator/scenarios or by a path.

    Raises:
        ConfigError: there is none, or it is malformed.
    """
    if name.endswith(".toml"):
        return _load(base / name, Scenario)
    path = _SCENARIOS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in _SCENARIOS.glob("*.toml")))
        raise ConfigError(base, "scenario", name, f"choose one of {known}, or a path to a .toml")
    return _load(path, Scenario)


_Model = TypeVar("_Model", bound=BaseModel)


def _load(path: Path, model: type[_Model]) -> _Model:
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "file", error.strerror, "name a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "TOML", str(error), "mend the line named") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        value = None if first["type"] == "missing" else first["input"]
        raise ConfigError(path, key, value, first["msg"]) from error
