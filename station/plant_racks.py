"""The racks as protection sees them, read side by side: a station has hundreds of them."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.layouts import ESTIMATE_LIMIT, RACK
from station.cell_extremes import cell_extremes
from station.config import Role, StationConfig
from station.image import CELLS_PREFIX, Image, PointRow, Table
from station.image_table import TableRow
from station.protection.states import CellHealth, CellRow, RackState

_RACK_INSULATION_BIT = 8
_RACK_FAULT = 4
_NOMINAL_CELL_V = 3.2
"""Nominal voltage of an LFP cell: what a rated energy is divided by to get a rated charge."""


def read_racks(image: Image, config: StationConfig) -> dict[str, list[RackState]]:
    """Return the racks of each container."""
    devices = config.with_role(Role.RACK)
    rows = {
        device: row
        for (device, layout), row in image.rows.items()
        if layout.startswith(CELLS_PREFIX)
    }
    hold_s = config.staleness.cell_extremes
    energy_kwh = config.station.capacity_kwh / max(1, len(devices))
    asked = config.estimators
    heeded = asked is not None and asked.health_limits
    table, health = image.table(RACK), image.table(ESTIMATE_LIMIT)
    told = _Told.of(table)
    found: dict[str, list[RackState]] = defaultdict(list)
    for device in devices:
        row = rows.get(device.tag)
        state = _rack(told, device.tag, None if row is None else _cells(row), energy_kwh)
        if row is not None and not row.stale and row.age_s <= hold_s:
            state = with_cell_extremes(state, row)
        left = _health(health, device.tag) if heeded else None
        found[device.container].append(state if left is None else replace(state, health=left))
    return found


def _health(table: Table, tag: str) -> CellHealth | None:
    """Return what the estimated health of a rack's cells leaves; None where nothing is known."""
    row = TableRow(table, tag)
    if not row.fresh:
        return None
    return CellHealth(
        charge=row.number("charge_health_share"),
        discharge=row.number("discharge_health_share"),
        charge_cell=row.index("charge_health_cell"),
        discharge_cell=row.index("discharge_health_cell"),
    )


def _cells(row: PointRow) -> CellRow:
    return CellRow(
        time_ms=row.sample.time_ms,
        fresh=not row.stale,
        voltage_v=row.physical("cell_voltage_v"),
        temperature_c=row.physical("cell_temperature_c"),
    )


_EXTREMES = (
    ("cell_voltage_max_v", "cell_voltage_max_index", 1.0),
    ("cell_voltage_min_v", "cell_voltage_min_index", -1.0),
    ("cell_temperature_max_c", "cell_temperature_max_index", 1.0),
    ("cell_temperature_min_c", "cell_temperature_min_index", -1.0),
)
"""An extreme of a rack, the cell that has it, and 1 where it is the highest."""
_SAME_WORD = (0.02, 0.02, 1.0, 1.0)
"""So far apart, V and degC, BMS and cells say the same, being some seconds and roundings apart."""


def with_cell_extremes(rack: RackState, row: PointRow) -> RackState:
    """Return a rack with what its cells tell as extremes, where its BMS does not, or beyond it.

    What the BMS does not tell is told by every usable cell. Against the BMS's word only those
    count that nobody doubts: a doubtful cell alone must not stop a rack whose BMS denies it.
    """
    found: dict[str, Any] = {}
    beyond: dict[str, tuple[float, int]] = {}
    by_cells: list[str] = []
    usable, undoubted = cell_extremes(row)
    for number, (name, index, sign) in enumerate(_EXTREMES):
        own = getattr(rack, name) if rack.fresh else math.nan
        if math.isfinite(own):
            value, cell = undoubted[number]
            if (value - own) * sign > _SAME_WORD[number]:
                beyond[name] = value, cell
        elif math.isfinite(usable[number][0]):
            found[name], found[index] = usable[number]
            by_cells.append(name)
    if not (found or beyond):
        return rack
    return replace(rack, by_cells=frozenset(by_cells), beyond=beyond, **found)


_SAME = (
    *("voltage_v", "current_a", "soc", "soh", "charge_current_limit_a"),
    *("discharge_current_limit_a", "cell_voltage_max_v", "cell_voltage_min_v"),
    *("cell_temperature_max_c", "cell_temperature_min_c"),
)
"""Signals of a rack that protection knows by the same names."""
_INDICES = (
    *("cell_voltage_max_index", "cell_voltage_min_index"),
    *("cell_temperature_max_index", "cell_temperature_min_index"),
)


@dataclass(frozen=True)
class _Told:
    """What all racks tell, as plain numbers: the values of each rack one after the other.

    Attributes:
        place: of each rack, by tag.
        numbers, indices: by the names above; an index that is not told is 0.
        words: contactor (-1: not told), state and alarms.
    """

    place: Mapping[str, int]
    fresh: list[bool]
    time_ms: list[int]
    numbers: list[list[float]]
    indices: list[list[int]]
    words: list[list[int]]

    @classmethod
    def of(cls, table: Table) -> "_Told":
        words = [table.column(n) for n in ("contactor_closed", "rack_state", "rack_alarms")]
        unknown = [-1, 0, 0]
        return cls(
            place=table.place,
            fresh=(~table.stale).tolist(),
            time_ms=table.time_ms.tolist(),
            numbers=np.array([table.column(name) for name in _SAME]).T.tolist(),
            indices=_whole([table.column(name) for name in _INDICES], [0] * len(_INDICES)),
            words=_whole(words, unknown),
        )


def _whole(columns: list[npt.NDArray[np.float64]], unknown: list[int]) -> list[list[int]]:
    """Return whole numbers by device, with those given where nothing is known."""
    table = np.array(columns)
    known = np.where(np.isfinite(table), table, np.array(unknown, np.float64)[:, None])
    told: list[list[int]] = known.T.astype(np.int64).tolist()
    return told


def _rack(told: _Told, tag: str, cells: CellRow | None, energy_kwh: float) -> RackState:
    at = told.place.get(tag)
    numbers = [math.nan] * len(_SAME) if at is None else told.numbers[at]
    indices = [0] * len(_INDICES) if at is None else told.indices[at]
    contactor, state, alarms = (-1, 0, 0) if at is None else told.words[at]
    voltage_v, current_a, soc, soh, charge_a, discharge_a, high_v, low_v, hot_c, cold_c = numbers
    high_at, low_at, hot_at, cold_at = indices
    nominal_v = voltage_v if cells is None else _NOMINAL_CELL_V * cells.voltage_v.size
    return RackState(
        device=tag,
        fresh=at is not None and told.fresh[at],
        contactor_closed=None if contactor < 0 else bool(contactor),
        faulted=state == _RACK_FAULT,
        voltage_v=voltage_v,
        current_a=current_a,
        soc=soc,
        charge_current_limit_a=charge_a,
        discharge_current_limit_a=discharge_a,
        cell_voltage_max_v=high_v,
        cell_voltage_min_v=low_v,
        cell_temperature_max_c=hot_c,
        cell_temperature_min_c=cold_c,
        cell_voltage_max_index=high_at,
        cell_voltage_min_index=low_at,
        cell_temperature_max_index=hot_at,
        cell_temperature_min_index=cold_at,
        soh=soh,
        capacity_ah=energy_kwh * 1000 / nominal_v if nominal_v > 0 else math.nan,
        insulation_alarm=bool(alarms >> _RACK_INSULATION_BIT & 1),
        time_ms=0 if at is None else told.time_ms[at],
        cells=cells,
    )
