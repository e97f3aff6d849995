"""How fast the default plant runs, in seconds of plant time per second of wall clock."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.config import DATA
from simulator.devices.sensors import RackSensors
from simulator.plant import Plant, PlantParameters

TARGET = 600.0
"""Ten minutes of plant a second: a day of 86,400 s in 144 s."""
_SECONDS = 1800
_ROUNDS = 3
_SETPOINTS_W = (1.2e6, -0.9e6)


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
    ]


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
