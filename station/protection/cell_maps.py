"""What the cells of a rack may carry: C-rate over temperature and SOC, less as they age.

The map of the cell maker is bilinear between its points and flat beyond them. Charge limits
never rise with SOC, discharge limits never fall with it, both have one temperature at which
they are best, and a lower SOH never allows more: the file is refused otherwise. So the
coldest or the hottest cell of a rack binds, and it is named.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from contract.limits import LimitReason
from station.protection.restraints import MapLimit
from station.protection.settings_file import FOLDER, Section, read
from station.protection.states import RackState

Floats = npt.NDArray[np.float64]


class Map(Section):
    """C-rate over temperature (rows) and SOC (columns)."""

    temperature_c: tuple[float, ...] = Field(min_length=2)
    soc: tuple[float, ...] = Field(min_length=2)
    c_rate: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _is_a_map(self) -> Self:
        _require_rising("temperature_c", self.temperature_c)
        _require_rising("soc", self.soc)
        shape = (len(self.temperature_c), len(self.soc))
        if len(self.c_rate) != shape[0] or any(len(row) != shape[1] for row in self.c_rate):
            raise ValueError(f"c_rate must have {shape[0]} rows of {shape[1]} numbers")
        rates = self.table
        if not (np.isfinite(rates).all() and (rates >= 0).all() and rates.max() > 0):
            raise ValueError("c_rate must be finite numbers, not below 0 and not all 0")
        # Rising up to one row and falling after it must hold for all columns with one row.
        steps = np.diff(rates, axis=0)
        turns = [k for k in range(shape[0]) if (steps[:k] >= 0).all() and (steps[k:] <= 0).all()]
        if not turns:
            raise ValueError("c_rate must rise up to one temperature and fall after it")
        return self

    @property
    def table(self) -> Floats:
        """The rates as an array (temperatures, SOCs)."""
        return np.array(self.c_rate, dtype=np.float64)

    @property
    def peak(self) -> float:
        """The highest rate of the map: the rated C-rate."""
        return float(self.table.max())


class Health(Section):
    """The part of the C-rate that is left over the state of health."""

    soh: tuple[float, ...] = Field(min_length=2)
    factor: tuple[float, ...] = Field(min_length=2)
    unknown: float = Field(ge=0, le=1, description="SOH of a rack that tells none")

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        _require_rising("soh", self.soh)
        if len(self.factor) != len(self.soh):
            raise ValueError("factor needs one number for each soh")
        if (np.diff(self.factor) < 0).any() or min(self.factor) < 0 or max(self.factor) > 1:
            raise ValueError("factor must lie in 0..1 and never fall as soh rises")
        return self


class CellMaps(Section):
    """The whole file."""

    charge: Map
    discharge: Map
    health: Health

    @model_validator(mode="after")
    def _goes_the_right_way(self) -> Self:
        if (np.diff(self.charge.table, axis=1) > 0).any():
            raise ValueError("charge.c_rate must not rise with soc")
        if (np.diff(self.discharge.table, axis=1) < 0).any():
            raise ValueError("discharge.c_rate must not fall with soc")
        return self


@lru_cache(maxsize=8)
def load_cell_maps(path: Path | None = None) -> CellMaps:
    """Read the maps, by default those that ship with the station.

    Raises:
        ConfigError: names file, key and remedy.
    """
    return read(path or FOLDER / "cell_maps.toml", CellMaps)


def c_rate(chart: Map, temperature_c: Floats, soc: Floats) -> Floats:
    """Return the allowed C-rate, bilinear; 0 where temperature or SOC is not known.

    Args:
        chart: the map.
        temperature_c: deg C, any shape.
        soc: 0..1, of the same shape.
    """
    low_t, part_t = _place(chart.temperature_c, temperature_c)
    low_s, part_s = _place(chart.soc, soc)
    table = chart.table
    cold = table[low_t, low_s] * (1 - part_s) + table[low_t, low_s + 1] * part_s
    warm = table[low_t + 1, low_s] * (1 - part_s) + table[low_t + 1, low_s + 1] * part_s
    known = np.isfinite(temperature_c) & np.isfinite(soc)
    return np.where(known, cold * (1 - part_t) + warm * part_t, 0.0)


def health_factor(health: Health, soh: Floats) -> Floats:
    """Return the part of the C-rate that a state of health leaves, 0..1."""
    known = np.where(np.isfinite(soh), soh, health.unknown)
    return np.interp(known, health.soh, health.factor)


def map_limits(
    racks: Sequence[RackState], maps: CellMaps
) -> Mapping[str, tuple[MapLimit, MapLimit]]:
    """Return what the maps allow each rack for (charge, discharge), by rack tag."""
    if not racks:
        return {}
    facts = np.array(
        [
            (
                r.cell_temperature_min_c,
                r.cell_temperature_max_c,
                r.soc,
                r.soh,
                r.capacity_ah,
                r.cell_temperature_min_index,
                r.cell_temperature_max_index,
            )
            for r in racks
        ],
        dtype=np.float64,
    ).T
    health = health_factor(maps.health, facts[3])
    charge = _limits(maps.charge, facts, health, _estimated(racks, charging=True))
    discharge = _limits(maps.discharge, facts, health, _estimated(racks, charging=False))
    return {
        rack.device: pair
        for rack, pair in zip(racks, zip(charge, discharge, strict=True), strict=True)
    }


def _estimated(racks: Sequence[RackState], *, charging: bool) -> Floats:
    """Return (share, cell) of the cell that is worst off by estimate; 1 where nothing is known."""
    told = [
        (1.0, 0)
        if rack.health is None
        else (rack.health.charge, rack.health.charge_cell)
        if charging
        else (rack.health.discharge, rack.health.discharge_cell)
        for rack in racks
    ]
    shares = np.array(told, dtype=np.float64).T
    shares[0] = np.clip(np.where(np.isfinite(shares[0]), shares[0], 1.0), 0.0, 1.0)
    return shares


def _limits(chart: Map, facts: Floats, health: Floats, estimated: Floats) -> list[MapLimit]:
    """Return what a map leaves by temperature, SOC and the worse of both words on health."""
    cold, hot = c_rate(chart, facts[0], facts[2]), c_rate(chart, facts[1], facts[2])
    rate = np.minimum(cold, hot)
    cell = np.where(cold < hot, facts[5], facts[6]).astype(np.int64)
    share, worn_cell = estimated
    left = np.minimum(health, share)
    aged, worn = left < rate / chart.peak, share < health
    reason = np.where(worn, LimitReason.CELL_HEALTH, LimitReason.STATE_OF_HEALTH)
    reason = np.where(aged, reason, LimitReason.CELL_MAP)
    cell = np.where(aged, np.where(worn, worn_cell, 0), cell).astype(np.int64)
    return [
        MapLimit(current_a, LimitReason(why), index or None)
        for current_a, why, index in zip(
            (rate * left * facts[4]).tolist(), reason.tolist(), cell.tolist(), strict=True
        )
    ]


def _place(points: Sequence[float], values: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the interval of each value and its part within, 0..1."""
    axis = np.array(points, dtype=np.float64)
    inside = np.clip(np.where(np.isfinite(values), values, axis[0]), axis[0], axis[-1])
    low = np.clip(np.searchsorted(axis, inside, side="right") - 1, 0, axis.size - 2)
    return low, (inside - axis[low]) / (axis[low + 1] - axis[low])


def _require_rising(name: str, points: Sequence[float]) -> None:
    if not (np.isfinite(points).all() and (np.diff(points) > 0).all()):
        raise ValueError(f"{name} must be finite and rise from one number to the next")
