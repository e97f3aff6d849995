"""A small plant whose servers run in the test's own event loop."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.config import DATA, PlantConfig, SimulatorConfig
from simulator.plant import Plant, PlantParameters
from simulator.record import Record
from simulator.scenario import ScenarioPlayer
from simulator.scenario_file import load_scenario
from simulator.servers import Devices
from simulator.site import Site
from tests.waiting import wait_for

CELL_FILE = DATA / "battery" / "lfp-280ah.toml"


def small_plant(**changes: object) -> Plant:
    parameters = {"containers": 1, "racks_per_container": 3, "cells_per_rack": 20}
    return Plant(PlantParameters(CELL_FILE, **(parameters | changes)))  # type: ignore[arg-type]


class Rehearsal:
    """A scenario played on a plant whose servers do not listen, faster than real time."""

    def __init__(self, name: str, base: Path = Path(), *, start_soc: float = 0.5) -> None:
        scenario = load_scenario(name, base)
        config = SimulatorConfig(
            start_soc=start_soc,
            plant=PlantConfig(
                containers=2, racks_per_container=6, cells_per_rack=220, pcs_rated_kw=566
            ),
        )
        self.plant = Plant(config.plant_parameters(scenario.start))
        self.devices = Devices(self.plant, Record(None), config.icd)
        self.player = ScenarioPlayer(scenario, self.devices, base / name)
        self.seconds = 0
        self.first: dict[str, int] = {}
        """When each thing was first seen, by the names that `look` gives."""

    async def go(
        self,
        until_s: int,
        power_kw: float = 0.0,
        look: Callable[[Plant], dict[str, bool]] = lambda _: {},
    ) -> None:
        """Play up to `until_s` at a power of each converter, looking after every second."""
        while self.seconds < until_s:
            self.seconds += 1
            await self.player.play(self.seconds)
            self.plant.step(1.0, [power_kw * 1e3] * len(self.plant.converters))
            for what, rack, cell in self.plant.dangers.runaway.moments:
                self.first.setdefault(f"{what} {rack}/{cell + 1}", self.seconds)
            self.plant.dangers.runaway.moments.clear()
            for name, seen in look(self.plant).items():
                if seen:
                    self.first.setdefault(name, self.seconds)


@dataclass
class Running:
    site: Site
    ports: dict[str, int]
    record: Path


@contextlib.asynccontextmanager
async def running_site(
    folder: Path,
    events: str = "",
    cells: int = 150,
    racks: int = 2,
    begins_with: Path | None = None,
    *,
    sunspec: bool = False,
) -> AsyncIterator[Running]:
    scenario = folder / "scenario.toml"
    scenario.write_text(f'name = "test"\ndescription = ""\n{events}')
    config = SimulatorConfig(
        scenario="scenario.toml",
        scenario_start_file=begins_with,
        record=folder / "record.sqlite",
        plant=PlantConfig(
            containers=1, racks_per_container=racks, cells_per_rack=cells, sunspec=sunspec
        ),
    )
    site = Site(config, folder)
    stop = asyncio.Event()
    ports: dict[str, int] = {}
    task = asyncio.create_task(site.run(stop, ports.update))
    try:
        await wait_for(lambda: ports or task.done(), "the servers to listen")
        yield Running(site, ports, folder / "record.sqlite")
    finally:
        stop.set()
        await task


def event(**values: object) -> str:
    lines = (f"{key} = {json.dumps(value)}" for key, value in values.items())
    return "[[events]]\n" + "\n".join(lines) + "\n"
