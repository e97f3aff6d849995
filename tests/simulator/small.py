"""A small plant whose servers run in the test's own event loop."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from simulator.config import DATA, PlantConfig, SimulatorConfig
from simulator.plant import Plant, PlantParameters
from simulator.site import Site
from tests.waiting import wait_for

CELL_FILE = DATA / "battery" / "lfp-280ah.toml"


def small_plant(**changes: object) -> Plant:
    parameters = {"containers": 1, "racks_per_container": 3, "cells_per_rack": 20}
    return Plant(PlantParameters(CELL_FILE, **(parameters | changes)))  # type: ignore[arg-type]


@dataclass
class Running:
    site: Site
    ports: dict[str, int]
    record: Path


@contextlib.asynccontextmanager
async def running_site(
    folder: Path, events: str = "", cells: int = 150, racks: int = 2
) -> AsyncIterator[Running]:
    scenario = folder / "scenario.toml"
    scenario.write_text(f'name = "test"\ndescription = ""\n{events}')
    config = SimulatorConfig(
        scenario="scenario.toml",
        record=folder / "record.sqlite",
        plant=PlantConfig(containers=1, racks_per_container=racks, cells_per_rack=cells),
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
