"""The cell simulator beside PyBaMM: hours of a cell per processor second, and how far apart.

One thread, processor time. Where PyBaMM is installed (`pip install pybamm==26.10.1.1`) its
models run here, too; without it the day that it told before, in data/battery/pybamm, counts.
"""

import importlib.util
import time
from dataclasses import replace
from typing import Any

import numpy as np

from bench._cells_pybamm import (
    AMBIENT_C,
    COOLING_W_PER_K,
    DAY,
    EVERY,
    HEAT_J_PER_K,
    NOMINAL_AH,
    PARAMETERS,
    Course,
    day_rates,
)
from bench._cells_pybamm import run as run_pybamm
from cell_lab.parameter_files import parameters_of
from cell_lab.recordings import Series
from cell_lab.simulate import (
    OF_MANY_MAKES,
    Drive,
    Trace,
    draw_cells,
    nominal_cells,
    random_duty,
    rested,
    simulate,
)
from station.estimators import build_cell_model, load_cell_parameters

_CELLS, _HOURS = 400, 6
_TARGET_HOURS, _TARGET_MV, _TARGET_K = 10_000.0, 10.0, 0.5
_SHORT_S = 900
"""So much of the day is run by the slowest peer."""

Rows = list[dict[str, Any]]


def run() -> Rows:

    told = np.load(DAY)
    ours = the_day()
    peers = _peers() if importlib.util.find_spec("pybamm") else {}
    speed = {name: hours / course.cpu_s for name, (course, hours) in peers.items()}
    spm, millivolts, kelvin = peers.get("PyBaMM SPM"), {}, {}
    if spm is not None:
        millivolts = {"PyBaMM SPM": _rms_mv(spm[0].voltage_v[EVERY - 1 :: EVERY], told)}
        kelvin = {"PyBaMM SPM": _rms_k(spm[0].temperature_c[EVERY - 1 :: EVERY], told)}
    rows = [
        ("cells.hours_per_cpu_s", _speed(), "h/s", "more", _TARGET_HOURS, speed),
        (
            "cells.voltage_rms",
            _rms_mv(ours.voltage_v[:, 0].astype(np.float64), told),
            "mV",
            "less",
            _TARGET_MV,
            millivolts,
        ),
        (
            "cells.temperature_rms",
            _rms_k(ours.temperature_c[:, 0].astype(np.float64), told),
            "K",
            "less",
            _TARGET_K,
            kelvin,
        ),
    ]
    keys = ("name", "value", "unit", "better", "target", "peers")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def the_day() -> Trace:
    """Return our simulation of the day that PyBaMM's SPMe ran."""
    model = build_cell_model(load_cell_parameters(PARAMETERS))
    cells = replace(
        nominal_cells(model, 1),
        heat_core_j_per_k=np.array([0.7 * HEAT_J_PER_K]),
        heat_surface_j_per_k=np.array([0.3 * HEAT_J_PER_K]),
        thermal_w_per_k=np.array([[50.0, COOLING_W_PER_K]]),  # one node, as PyBaMM has it
    )
    current = day_rates()[None] * NOMINAL_AH
    return simulate(
        model,
        cells,
        Drive(current, np.full(current.shape, AMBIENT_C)),
        rested(model, 1.0, AMBIENT_C),
        every=EVERY,
        entropy_v_per_k=np.zeros(2),
    )[0]


def _peers() -> dict[str, tuple[Course, float]]:
    day = day_rates() * NOMINAL_AH
    short = day[_SHORT_S * 8 : _SHORT_S * 9]
    return {
        "PyBaMM SPM": (run_pybamm("SPM", day, 1.0), len(day) / 3600),
        "PyBaMM SPMe": (run_pybamm("SPMe", day, 1.0), len(day) / 3600),
        "PyBaMM DFN": (run_pybamm("DFN", short, 0.5), len(short) / 3600),
    }


def _speed() -> float:
    """Return cell-hours per processor second at 1 s, all samples kept, of cells of all kinds."""
    model = build_cell_model(parameters_of("esc26650"))
    cells = draw_cells(model, _CELLS, 1, OF_MANY_MAKES)
    rates = np.stack([random_duty(_HOURS, seed, 0.6) for seed in range(_CELLS)])
    current = rates * cells.capacity_ah[:, None]
    drive = Drive(current, np.full(current.shape, AMBIENT_C))
    begin = rested(model, np.full(_CELLS, 0.6), AMBIENT_C)
    first = Drive(current[:, :60], drive.ambient_c[:, :60])
    simulate(model, cells, first, begin)  # compiles
    began_s = time.process_time()
    simulate(model, cells, drive, begin)
    return _CELLS * _HOURS / (time.process_time() - began_s)


def _rms_mv(voltage_v: Series, told: Any) -> float:
    return float(1000 * np.sqrt(np.mean((voltage_v - told["voltage_v"]) ** 2)))


def _rms_k(temperature_c: Series, told: Any) -> float:
    return float(np.sqrt(np.mean((temperature_c - told["temperature_c"]) ** 2)))
