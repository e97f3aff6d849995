"""What the anomaly detector costs at the demo's 8,320 cells: processor time and state.

One thread; processor time, not wall time. Every sixteenth second judges a block, and the network
looks at a quarter of the racks then; the mean is what a station pays.
"""

import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cell_lab.parameter_files import parameters_of
from station.estimators.anomaly import (
    AnomalyState,
    Inputs,
    load_detector,
    place_of,
    start,
    step,
)
from station.estimators.cell_model import build_cell_model

_DETECTOR = Path(__file__).resolve().parent.parent / "data" / "models" / "anomaly"
_RACKS, _CELLS = 20, 416
_SECONDS, _BEFORE = 256, 64
_TARGET_PCT, _TARGET_BYTES = 3.0, 128.0

Rows = list[dict[str, Any]]


def run() -> Rows:

    model = build_cell_model(parameters_of("esc26650"))
    detector = load_detector(_DETECTOR)
    place = place_of(np.repeat(np.arange(_RACKS), _CELLS), _RACKS, np.repeat([0, 1], _RACKS // 2))
    state = start(model, place)
    seconds = _seconds()
    spent = []
    for number in range(_BEFORE + _SECONDS):
        began_s = time.process_time()
        state, _ = step(detector, model, place, state, seconds[number % len(seconds)])
        spent.append(time.process_time() - began_s)
    counted = np.array(spent[_BEFORE:])
    return [
        _row("anomaly.demo_core_pct", 100 * float(counted.mean()), "%", _TARGET_PCT),
        _row("anomaly.worst_second_ms", 1000 * float(counted.max()), "ms", None),
        _row("anomaly.state_bytes_per_cell", _bytes(state), "B", _TARGET_BYTES),
    ]


def _seconds() -> list[Inputs]:
    rng = np.random.default_rng(1)
    cells = _RACKS * _CELLS
    unknown = np.full(_RACKS, np.nan, np.float32)
    return [
        Inputs(
            elapsed_s=np.ones(_RACKS, np.float32),
            current_a=np.full(_RACKS, np.sin(second / 9), np.float32),
            current_good=np.ones(_RACKS, bool),
            voltage_v=np.round(3.3 + 8e-4 * rng.standard_normal(cells), 3).astype(np.float32),
            temperature_c=np.round(25 + 0.08 * rng.standard_normal(cells), 1).astype(np.float32),
            good=np.ones(cells, bool),
            soc=np.full(cells, 0.5, np.float32),
            innovation=np.zeros(cells, np.float32),
            rack_voltage_v=np.full(_RACKS, 3.3 * _CELLS, np.float32),
            rack_power_kw=unknown,
        )
        for second in range(60)
    ]


def _bytes(state: AnomalyState) -> float:
    cells = _RACKS * _CELLS
    return sum(each.nbytes for each in _arrays(state) if each.shape[-1:] == (cells,)) / cells


def _arrays(part: Any) -> Iterator[npt.NDArray[Any]]:
    """Yield every array of nested dataclasses."""
    for each in fields(part):
        value = getattr(part, each.name)
        if is_dataclass(value):
            yield from _arrays(value)
        elif isinstance(value, np.ndarray):
            yield value


def _row(name: str, value: float, unit: str, target: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "better": "lower", "target": target}
