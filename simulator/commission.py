"""A commissioning test of the virtual plant's own cell, as a test bench would record it.

One cell of nominal size in a chamber: at each temperature a slow discharge and charge, then a drive
from full to empty with pulses either way and rests. It is what a make of cell is identified from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from simulator.physics.cells import CellBank
from simulator.physics.tables import SECONDS_PER_HOUR, CellTables, Floats, load_cell

CHAMBERS_C = (5.0, 15.0, 25.0, 35.0, 45.0)
_SLOW_C_RATE = 1 / 25
_SLOW_STEP_S, _STEP_S = 10.0, 1.0
_LEVELS = (-0.25, 0.0, 0.0, 0.0, 0.1, 0.25, 0.5, 0.5)
"""Of the drive, in multiples of the capacity per hour; discharge is positive. It rests often: a
cell that charges and discharges with different resistances shows its open circuit only then."""
_LEVEL_S = (10, 240)
_DRIVE, _FULL, _EMPTY = "drive", 0.995, 0.04
"""A drive rests where a charging pulse would go beyond this SOC, and ends where it is empty."""
_NOISE_V, _RESOLUTION_V = 0.8e-3, 1e-3
"""The bench measures as the plant's battery management does."""


@dataclass(frozen=True)
class BenchRecording:
    """One profile at one temperature; all arrays of shape (samples,), discharge positive.

    Attributes:
        profile: its name.
        chamber_c: temperature of chamber and cell.
        time_s, voltage_v, current_a, soc: what the bench recorded; SOC is the true one.
    """

    profile: str
    chamber_c: float
    time_s: Floats
    voltage_v: Floats
    current_a: Floats
    soc: Floats


def commission(cell_file: Path, seed: int) -> tuple[float, list[BenchRecording]]:
    """Return the cell's capacity in Ah and the recordings of a whole test.

    Args:
        cell_file: description of the cell, see data/battery/lfp-280ah.toml.
        seed: of the drive and of the bench's noise: the same seed gives the same test.

    Raises:
        ConfigError: the description cannot be used.
    """
    tables = _nominal(load_cell(cell_file))
    rng = np.random.default_rng(seed)
    recordings = [
        recording for chamber_c in CHAMBERS_C for recording in _at(tables, chamber_c, rng)
    ]
    return tables.parameters.capacity_ah, recordings


def _nominal(tables: CellTables) -> CellTables:
    """Return the cell without the spread of a delivery."""
    nominal = replace(
        tables.parameters,
        capacity_spread=0.0,
        resistance_spread=0.0,
        start_soc_spread=0.0,
        rack_capacity_spread=0.0,
    )
    return replace(tables, parameters=nominal)


def _at(tables: CellTables, chamber_c: float, rng: np.random.Generator) -> Iterator[BenchRecording]:
    slow_a = _SLOW_C_RATE * tables.parameters.capacity_ah
    for name, start, current_a in (
        ("slow discharge", 1.0, slow_a),
        ("slow charge", 0.0, -slow_a),
    ):
        yield _run(tables, (name, chamber_c, start), repeat(current_a), _SLOW_STEP_S, rng)
    yield _run(tables, (_DRIVE, chamber_c, 1.0), _drive(tables, rng), _STEP_S, rng)


def _drive(tables: CellTables, rng: np.random.Generator) -> Iterator[float]:
    """Yield the current of each second: random levels, more of them discharging."""
    capacity_ah = tables.parameters.capacity_ah
    return chain.from_iterable(
        repeat(float(rng.choice(_LEVELS)) * capacity_ah, int(rng.integers(*_LEVEL_S)))
        for _ in repeat(None)
    )


def _run(
    tables: CellTables,
    what: tuple[str, float, float],
    currents_a: Iterator[float],
    step_s: float,
    rng: np.random.Generator,
) -> BenchRecording:
    """Drive a cell from `what` = (profile, temperature, SOC) on until it would be empty or full."""
    profile, chamber_c, soc = what
    bank = CellBank(tables, 1, 1, soc, rng)
    at_c = np.full((1, 1), chamber_c)
    share = step_s / SECONDS_PER_HOUR / tables.parameters.capacity_ah
    pauses = profile == _DRIVE
    rows: list[tuple[float, float, float]] = []
    for asked_a in currents_a:
        beyond = asked_a < 0 and soc - asked_a * share > _FULL
        current_a = 0.0 if pauses and beyond else asked_a
        if not (_EMPTY if pauses else 0.0) <= soc - current_a * share <= 1.0:
            break
        bank.prepare(at_c, np.array([float(current_a < 0)]), step_s)
        voltage_v, _ = bank.advance(np.array([current_a]), at_c)
        soc = float(bank.soc[0, 0])
        rows.append((float(voltage_v[0, 0]), current_a, soc))
    voltage, current, course = (np.array(column) for column in zip(*rows, strict=True))
    return BenchRecording(
        profile=profile,
        chamber_c=chamber_c,
        time_s=np.arange(1, len(rows) + 1) * np.float64(step_s),
        voltage_v=_measured(voltage, rng),
        current_a=current,
        soc=course,
    )


def _measured(voltage_v: Floats, rng: np.random.Generator) -> Floats:
    noisy = voltage_v + _NOISE_V * rng.standard_normal(voltage_v.size)
    measured: Floats = np.rint(noisy / _RESOLUTION_V) * _RESOLUTION_V
    return measured


def as_columns(capacity_ah: float, recordings: Sequence[BenchRecording]) -> dict[str, list[object]]:
    """Return the columns of a file of recordings; charging is positive there, as cyclers write."""
    columns: dict[str, list[object]] = {
        "cell": [],
        "profile": [],
        "t_chamber_c": [],
        "time_s": [],
        "voltage_v": [],
        "current_a": [],
        "temperature_c": [],
        "soc": [],
        "q_ref_ah": [],
    }
    for one in recordings:
        count = one.time_s.size
        columns["cell"] += ["virtual plant"] * count
        columns["profile"] += [one.profile] * count
        for name in ("t_chamber_c", "temperature_c"):
            columns[name] += [one.chamber_c] * count
        columns["time_s"] += one.time_s.tolist()
        columns["voltage_v"] += one.voltage_v.tolist()
        columns["current_a"] += (-one.current_a).tolist()
        columns["soc"] += one.soc.tolist()
        columns["q_ref_ah"] += [capacity_ah] * count
    return columns
