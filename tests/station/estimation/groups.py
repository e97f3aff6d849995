"""A group of racks of the virtual plant's cells, and states of it."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from station.estimation import GroupSetup, Moment, Setup
from station.estimation.keeping import Kept, KeptGroup
from station.estimation.running import Running, load_model
from station.estimation.wire import CELL_FLAGS, CELL_NUMBERS, RACK_FLAGS, RACK_NUMBERS
from station.estimators import known_start, start, state_to_bytes
from tests.station.estimation.plant_site import BUNDLE


def group(
    racks: tuple[str, ...] = ("C1-R01", "C1-R02"), cells: int = 16, **fields: object
) -> GroupSetup:
    shape = {"racks": racks, "cells": (cells,) * len(racks), "rated_kw": (30.0,) * len(racks)}
    return GroupSetup(**{"bundle": str(BUNDLE), "second": "", "parallel": 1, **shape, **fields})


def setup_of(folder: Path, *groups: GroupSetup, **fields: float) -> Setup:
    given = {"state_period_s": 3600.0, "cells_period_s": 10.0, **fields}
    return Setup(
        groups=groups or (group(),),
        soc_min=0.05,
        soc_max=0.95,
        confidence=0.9,
        state_file=str(folder / "estimators" / "state.bin"),
        **given,
    )


def moment(setup: Setup, at_ms: int, **values: float) -> Moment:
    """A moment in which every rack and cell tells the same."""
    racks = sum(len(g.racks) for g in setup.groups)
    cells = sum(sum(g.cells) for g in setup.groups)
    said = {
        "elapsed_s": 1.0,
        "current_a": 100.0,
        "bms_soc": 0.5,
        "voltage_v": 52.0,
        "charge_current_limit_a": 200.0,
        "discharge_current_limit_a": 200.0,
        "power_kw": 5.0,
        "rack_power_kw": 5.0,
        "mean_current_a": values.get("current_a", 100.0),
        "current_good": 1,
        "together": 1,
        "available": 1,
        "charge_guarded": 0,
        "discharge_guarded": 0,
        "cell_good": 1,
        "cell_voltage_v": 3.27,
        "cell_temperature_c": 25.0,
        **values,
    }
    shapes = [(RACK_NUMBERS, racks, "<f4"), (RACK_FLAGS, racks, "|u1")]
    shapes += [(CELL_NUMBERS, cells, "<f4"), (CELL_FLAGS, cells, "|u1")]
    arrays = {name: np.full(n, said[name], kind) for names, n, kind in shapes for name in names}
    return Moment(at_ms, arrays)


def settled(one: GroupSetup, soc: float = 0.5, soc_sd: float = 0.005) -> Running:
    """A model that knows its cells' SOC well."""
    model = load_model(Path(one.bundle), one, setup_of(Path(), one))
    settings = model.settings
    told = np.full(len(settings.rack), soc, np.float32)
    state = start(settings, told)
    known = known_start(settings.model, settings.rack, settings.racks, told, soc_sd)
    return Running(model, replace(state, soc=known))


def worn(one: GroupSetup, cell: int, soh: float) -> Running:
    """A model that knows one of its cells to have lost capacity."""
    running = settled(one)
    size = running.state.capacity
    lost, sd = size.lost.copy(), size.sd.copy()
    lost[cell], sd[cell] = 1 - soh, 0.01
    state = replace(running.state, capacity=replace(size, lost=lost, sd=sd))
    return replace(running, state=state)


def kept(one: GroupSetup, at_ms: int | None = None, running: Running | None = None) -> Kept:
    running = running or settled(one)
    at_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    states = KeptGroup(one.racks, running.model.title, state_to_bytes(running.state))
    return Kept(at_ms, (states,))
