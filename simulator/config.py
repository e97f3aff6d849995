"""The simulator's configuration (TOML), checked on load."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simulator.errors import ConfigError
from simulator.files import DATA, Strict, load_toml
from simulator.plant import PlantParameters
from simulator.scenario_file import Start
from simulator.unevenness import Unevenness

__all__ = ["DATA", "PlantConfig", "PortsConfig", "SimulatorConfig", "load_config"]


class PlantConfig(Strict):
    """Size of the plant."""

    containers: Annotated[int, Field(ge=1, le=40)] = 2
    racks_per_container: Annotated[int, Field(ge=1, le=40)] = 10
    cells_per_rack: Annotated[int, Field(ge=2, le=1000)] = 416
    capacity_ah: Annotated[float, Field(gt=0, le=2000)] = 280.0
    pcs_rated_kw: Annotated[float, Field(gt=0, le=10_000)] = 1725.0
    sunspec: Annotated[
        bool,
        Field(description="One address more, the last: the first converter, as SunSpec shows it."),
    ] = False


class PortsConfig(Strict):
    """Where the devices listen: `base`, `base` + 1, ... or, with 0, wherever is free."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    base: Annotated[int, Field(ge=0, le=65_000)] = 0


class SimulatorConfig(Strict):
    """Everything the simulator is told. Paths are relative to the configuration file."""

    seed: int = 1
    speed: Annotated[
        int,
        Field(
            ge=1,
            le=600,
            description="Seconds of plant time per second of device time; 1 is the real world, "
            "more makes steps of a second.",
        ),
    ] = 1
    steps_per_s: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            description="Steps of the plant in a second; what moves fast is shown after each.",
        ),
    ] = 20
    cell_period_s: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="How often cells, cooling and battery management are stepped; 0: with "
            "each step of the plant. With 1, a large plant needs a fifth of the computing.",
        ),
    ] = 0.0
    realtime_priority: Annotated[
        int,
        Field(
            ge=0,
            le=50,
            description="Place before others at the processor, where the machine allows it (Linux, "
            "CAP_SYS_NICE), so that devices answer in time beside what else runs on it, as real "
            "ones do; 0: none.",
        ),
    ] = 0
    start_soc: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    scenario: str = "normal-day"
    scenario_start_file: Annotated[
        Path | None,
        Field(description="The scenario begins when this file exists; without it, at once."),
    ] = None
    record: Path | None = None
    ports_out: Path | None = None
    cell: Path = DATA / "battery" / "lfp-280ah.toml"
    icd: Path = DATA / "simulator" / "pcs.icd"
    plant: PlantConfig = PlantConfig()
    ports: PortsConfig = PortsConfig()

    def plant_parameters(self, start: Start | None = None) -> PlantParameters:
        """The plant's part in the plant's own terms, as a scenario's start wants it."""
        start = start or Start()
        return PlantParameters(
            cell_file=self.cell,
            containers=self.plant.containers,
            racks_per_container=self.plant.racks_per_container,
            cells_per_rack=self.plant.cells_per_rack,
            capacity_ah=self.plant.capacity_ah,
            pcs_rated_kw=self.plant.pcs_rated_kw,
            start_soc=self.start_soc if start.soc is None else start.soc,
            seed=self.seed,
            cell_period_s=self.cell_period_s,
            unevenness=Unevenness(
                start.container_soc,
                start.rack_soc_spread,
                start.rack_capacity_spread,
                start.rack_resistance_spread,
            ),
        )


def load_config(path: Path) -> SimulatorConfig:
    """Read a configuration; its paths become absolute.

    Raises:
        ConfigError: names the file, the key, the value and the remedy.
    """
    config = load_toml(path, SimulatorConfig)
    base = path.resolve().parent
    names = ("record", "ports_out", "scenario_start_file", "cell", "icd")
    paths = {n: base / p for n in names if (p := getattr(config, n)) is not None}
    for key in ("cell", "icd"):
        if not paths[key].is_file():
            raise ConfigError(path, key, str(getattr(config, key)), "name a file that exists")
    return config.model_copy(update=paths)
