"""How fast the default plant runs, and what a second of the big plant costs.

The default plant: seconds of plant time per second of wall clock. The big plant runs in real time,
so its rows are CPU seconds per second, as its configuration says: 20 steps of converters and grid,
one of the cells, and what its devices then show. Answering clients comes on top.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.config import DATA, SimulatorConfig, load_config
from simulator.devices.sensors import RackSensors
from simulator.plant import Plant, PlantParameters
from simulator.record import Record
from simulator.servers import Devices

TARGET = 600.0
"""Ten minutes of plant a second: a day of 86,400 s in 144 s."""
_SECONDS = 1800
_ROUNDS = 3
_SETPOINTS_W = (1.2e6, -0.9e6)
BIG_TARGET = 0.5
"""Half a core: the station and the devices' clients need the rest of an industrial PC."""
_BIG_SECONDS = 20
_BIG_SETPOINT_W = 1.2e6


def run() -> list[dict[str, Any]]:
    plant = Plant(PlantParameters(DATA / "battery" / "lfp-280ah.toml"))
    sensors = RackSensors(plant, np.random.default_rng(0))

    def measured_step() -> None:
        plant.step(1.0, _SETPOINTS_W)
        sensors.read(plant, 1.0)

    cells = plant.cells.soc.size
    return [
        _row(f"physics of {cells} cells", lambda: plant.step(1.0, _SETPOINTS_W)),
        _row(f"physics and sensors of {cells} cells", measured_step),
        *_big_rows(load_config(DATA / "simulator" / "big-plant.toml")),
    ]


def _big_rows(config: SimulatorConfig) -> list[dict[str, Any]]:
    plant = Plant(config.plant_parameters())
    devices = Devices(plant, Record(None), config.icd)
    setpoints = [_BIG_SETPOINT_W] * config.plant.containers
    part_s = 1 / config.steps_per_s

    def physics(_second: int) -> None:
        for _ in range(config.steps_per_s):
            plant.step(part_s, setpoints)

    def everything(second: int) -> None:
        for step in range(config.steps_per_s):
            plant.step(part_s, setpoints)
            devices.refresh(1000 * second + step)
        devices.publish(second)

    cells = plant.cells.soc.size
    return [
        _big_row(f"a second of {cells} cells: physics", physics),
        _big_row(f"a second of {cells} cells: physics, sensors, registers, reports", everything),
    ]


def _big_row(name: str, second: Callable[[int], None]) -> dict[str, Any]:
    least = min(_cpu_s(second) for _ in range(_ROUNDS))
    return {
        "name": name,
        "value": round(least / _BIG_SECONDS, 4),
        "unit": "CPU s",
        "better": "less",
        "target": BIG_TARGET,
        "peers": {},
    }


def _cpu_s(second: Callable[[int], None]) -> float:
    begin = time.process_time()
    for number in range(_BIG_SECONDS):
        second(number)
    return time.process_time() - begin


def _row(name: str, step: Callable[[], None]) -> dict[str, Any]:
    """The best of some rounds: other work on the machine only ever slows a round."""
    fastest = min(_timed(step) for _ in range(_ROUNDS))
    return {
        "name": name,
        "value": round(_SECONDS / fastest, 1),
        "unit": "x real time",
        "better": "more",
        "target": TARGET,
        "peers": {},
    }


def _timed(step: Callable[[], None]) -> float:
    begin = time.perf_counter()
    for _ in range(_SECONDS):
        step()
    return time.perf_counter() - begin
