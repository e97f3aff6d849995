"""How many cells a processor second estimates, what a cell's state takes, what the demo costs.

One thread; processor time, not wall time. The samples are those of a drive at changing current,
so that every branch of the filter works; the parameters are a make's own.
"""

import time
from typing import Any

import numpy as np

from cell_lab.parameter_files import parameters_of
from station.estimators import CellModel, Samples, build_cell_model, known_start, step
from station.estimators.soc import SocState

_CELLS, _RACKS = 100_000, 240
_DEMO_CELLS, _DEMO_RACKS = 8_320, 20
_TICKS = 60
_TARGET_CELLS, _TARGET_BYTES, _TARGET_PCT = 100_000.0, 200.0, 10.0

Rows = list[dict[str, Any]]


def run() -> Rows:

    model = build_cell_model(parameters_of("esc26650"))
    tick_s, state = _tick(model, _CELLS, _RACKS)
    demo_s, _ = _tick(model, _DEMO_CELLS, _DEMO_RACKS)
    return [
        _row("estimators.cells_per_cpu_s", _CELLS / tick_s, "cells", "higher", _TARGET_CELLS),
        _row("estimators.state_bytes_per_cell", _bytes(state), "B", "lower", _TARGET_BYTES),
        _row("estimators.demo_core_pct", 100 * demo_s, "%", "lower", _TARGET_PCT),
    ]


def _tick(model: CellModel, cells: int, racks: int) -> tuple[float, SocState]:
    """Return the processor time of one tick with settled filters, and the state after it."""
    rack = np.arange(cells) * racks // cells
    capacity_ah = np.full(cells, model.capacity_ah, np.float32)
    state = known_start(model, rack, racks, np.full(cells, 0.6, np.float32), 0.01)
    draws = np.random.default_rng(1).normal(0.0, model.capacity_ah, _TICKS)
    began_s = time.process_time()
    for current_a in draws:
        state, _ = step(model, state, _samples(cells, racks, float(current_a)), capacity_ah)
    return (time.process_time() - began_s) / _TICKS, state


def _samples(cells: int, racks: int, current_a: float) -> Samples:
    return Samples(
        elapsed_s=np.ones(racks, np.float32),
        current_a=np.full(racks, current_a, np.float32),
        current_good=np.ones(racks, bool),
        voltage_v=np.linspace(3.29, 3.31, cells, dtype=np.float32),
        temperature_c=np.linspace(20.0, 30.0, cells, dtype=np.float32),
        voltage_good=np.ones(cells, bool),
    )


def _bytes(state: SocState) -> float:
    """Return the bytes of all arrays of the state, over its cells."""
    arrays = {
        id(value): value
        for part in (state, state.screened, state.settled, state.trust)
        for value in vars(part).values()
        if isinstance(value, np.ndarray)
    }
    return sum(array.nbytes for array in arrays.values()) / len(state.rack)


def _row(name: str, value: float, unit: str, better: str, target: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "better": better, "target": target}
