"""How many cells a processor second estimates, what a cell's state takes, what the demo costs.

The whole second of the station: filter, network, capacity, resistance, efficiency, dispatchable
energy, and the state of the SOH model of charges. One thread; processor time, not wall time. The
samples are those of a drive at changing current, so that every branch of the filter works; the
parameters are a make's own. The demo's cells are estimated by the station's own estimator process,
whole: from the message to the answer.
"""

import time
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench._estimator_process import demo_core_pct
from cell_lab.parameter_files import parameters_of
from station.estimators import (
    EstimatorState,
    RackFacts,
    Samples,
    Settings,
    build_cell_model,
    known_start,
    start,
    step,
    tick,
)
from station.estimators.charge_ends import ChargeEndRule, step_charge_ends
from station.estimators.charge_health import ChargeHealth
from station.estimators.network import load_network
from station.estimators.soh import load_soh_model
from station.estimators.visit import EVERY

_CELLS, _RACKS = 100_000, 240
_TICKS = 64
"""Four tokens of the network, and more than six turns of every rack."""
_MODELS = Path(__file__).parents[1] / "data" / "models"
_NETWORK = _MODELS / "network"
_CHARGE = ChargeEndRule(upper_v=3.6, from_a=0.4, to_a=0.1)
_TARGET_CELLS, _TARGET_BYTES, _TARGET_PCT = 100_000.0, 200.0, 10.0

Rows = list[dict[str, Any]]


def run() -> Rows:

    settings = _settings(_CELLS, _RACKS)
    tick_s, longest_s, state = _ticked(settings)
    return [
        _row("estimators.cells_per_cpu_s", _CELLS / tick_s, "cells", "higher", _TARGET_CELLS),
        _row(
            "estimators.state_bytes_per_cell", _bytes(settings, state), "B", "lower", _TARGET_BYTES
        ),
        _row(
            "estimators.state_bytes_per_charging_cell",
            _bytes(settings, _near_full(settings, state)),
            "B",
            "lower",
            None,
        ),
        _row("estimators.demo_core_pct", demo_core_pct(), "%", "lower", _TARGET_PCT),
        _row("estimators.longest_tick_s", longest_s, "s", "lower", 1.0),
        _row(
            "estimators.filter_cells_per_cpu_s",
            _CELLS / _filtered(settings),
            "cells",
            "higher",
            _TARGET_CELLS,
        ),
    ]


def _settings(cells: int, racks: int) -> Settings:
    model = build_cell_model(parameters_of("esc26650"))
    rack = np.arange(cells) * racks // cells
    per_rack_kw = model.capacity_ah * 3.3 * cells / racks / 1000
    return Settings(
        model=model,
        rack=rack,
        racks=racks,
        rack_capacity_ah=np.full(racks, model.capacity_ah, np.float32),
        soc_min=0.05,
        soc_max=0.95,
        rack_rated_kw=np.full(racks, per_rack_kw, np.float32),
        network=load_network(_NETWORK),
        charge_health=ChargeHealth(load_soh_model(_MODELS / "soh" / "mit.json"), _CHARGE),
    )


def _near_full(settings: Settings, state: EstimatorState) -> EstimatorState:
    """Return the state when all racks at once are in the last window of a charge."""
    samples = _samples(settings, -settings.model.capacity_ah)
    high = replace(samples, voltage_v=samples.voltage_v + np.float32(0.2))
    assert state.charging is not None  # noqa: S101 - the settings have an SOH model
    charging, _ = step_charge_ends(_CHARGE, state.charging, high)
    return replace(state, charging=charging)


def _settled(settings: Settings) -> EstimatorState:
    cells = len(settings.rack)
    soc = np.full(cells, 0.6, np.float32)
    settled = known_start(settings.model, settings.rack, settings.racks, soc, 0.01)
    return replace(start(settings, soc), soc=settled, ticks=1)


def _ticked(settings: Settings) -> tuple[float, float, EstimatorState]:
    """Return the processor time of a tick with settled filters, the longest, and the state."""
    state = _settled(settings)
    facts = _facts(settings.racks)
    took_s = []
    for current_a in _draws(settings):
        samples = _samples(settings, current_a)
        began_s = time.process_time()
        state, _ = tick(settings, state, samples, facts)
        took_s.append(time.process_time() - began_s)
    took_s = took_s[EVERY:]
    return sum(took_s) / len(took_s), max(took_s), state


def _filtered(settings: Settings) -> float:
    """Return the processor time of one step of the filter alone."""
    state = _settled(settings).soc
    capacity_ah = np.full(len(settings.rack), settings.model.capacity_ah, np.float32)
    began_s = time.process_time()
    for current_a in _draws(settings):
        state, _ = step(settings.model, state, _samples(settings, current_a), capacity_ah)
    return (time.process_time() - began_s) / _TICKS


def _draws(settings: Settings) -> list[float]:
    return list(np.random.default_rng(1).normal(0.0, settings.model.capacity_ah, _TICKS))


def _samples(settings: Settings, current_a: float) -> Samples:
    cells, racks = len(settings.rack), settings.racks
    return Samples(
        elapsed_s=np.ones(racks, np.float32),
        current_a=np.full(racks, current_a, np.float32),
        current_good=np.ones(racks, bool),
        voltage_v=np.linspace(3.29, 3.31, cells, dtype=np.float32),
        temperature_c=np.linspace(20.0, 30.0, cells, dtype=np.float32),
        voltage_good=np.ones(cells, bool),
    )


def _facts(racks: int) -> RackFacts:
    unknown = np.full(racks, np.nan, np.float32)
    return RackFacts(
        charge_current_limit_a=unknown,
        discharge_current_limit_a=unknown,
        bms_soc=unknown,
        voltage_v=unknown,
        power_kw=unknown,
        rack_power_kw=unknown,
        available=np.ones(racks, bool),
    )


def _bytes(settings: Settings, state: EstimatorState) -> float:
    """Return the bytes of all arrays of the state, over its cells; the settings' are not its."""
    arrays: dict[int, int] = {}
    _collect(state, arrays)
    arrays.pop(id(settings.rack), None)
    return sum(arrays.values()) / len(settings.rack)


def _collect(part: object, arrays: dict[int, int]) -> None:
    if is_dataclass(part) and not isinstance(part, type):
        for each in fields(part):
            _collect(getattr(part, each.name), arrays)
    elif isinstance(part, np.ndarray):
        arrays[id(part)] = part.nbytes


def _row(name: str, value: float, unit: str, better: str, target: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "better": better, "target": target}
