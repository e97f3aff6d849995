"""One second of the estimators: from what the racks tell to what a trader can sell.

Everything is a pure function of settings, state and samples. What an estimate is called is what
the contract's layouts call it; NaN says that it is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from contract.layouts import ESTIMATE, ESTIMATE_STATION, estimate_cells_layout
from station.estimators import soc
from station.estimators.cell_model import CellModel, Floats
from station.estimators.errors import SettingsError
from station.estimators.samples import Flags, Indices, Samples
from station.estimators.soc import SocEstimate, SocState

_NOT_KNOWN = float("nan")
_RACK_NAMES = tuple(column.signal.name for column in ESTIMATE.columns)
_STATION_NAMES = tuple(column.signal.name for column in ESTIMATE_STATION.columns)
_CELL_NAMES = tuple(column.signal.name for column in estimate_cells_layout(1).columns)
_LEAST_CONFIDENCE = 0.5
NO_DATA, SEARCHING, SETTLED, RESUMED, STALE = range(5)
"""Values of the signal estimator_state."""


@dataclass(frozen=True)
class Settings:
    """All racks of a station, of one make of cell.

    Attributes:
        model: the make of all cells.
        rack: of each cell, ascending from 0 without a hole, shape (cells,).
        racks: their number.
        rack_capacity_ah: nominal, shape (racks,); the make's capacity times the cells side by side.
        soc_min, soc_max: the band in which the station is worked, shares of 1.
        rack_rated_kw: each rack's share of the converter's power, shape (racks,).
        confidence: with which dispatchable energy is promised, 0.5 or more and below 1.
        network: what corrects the filter, or None.
        anomaly: the detector of anomalies, or None.
    """

    model: CellModel
    rack: Indices
    racks: int
    rack_capacity_ah: Floats
    soc_min: float
    soc_max: float
    rack_rated_kw: Floats
    confidence: float = 0.9
    network: Any = None
    anomaly: Any = None

    def __post_init__(self) -> None:
        """Refuse what cannot be computed with.

        Raises:
            SettingsError: with the name of what is wrong.
        """
        found = np.unique(self.rack)
        ascending = bool(np.all(np.diff(self.rack) >= 0))
        if not ascending or not np.array_equal(found, np.arange(self.racks)):
            raise SettingsError("rack", f"must ascend from 0 to {self.racks - 1} without a hole")
        for name in ("rack_capacity_ah", "rack_rated_kw"):
            values = getattr(self, name)
            if np.shape(values) != (self.racks,) or not np.all(np.asarray(values) > 0):
                raise SettingsError(name, f"must be {self.racks} numbers above 0")
        if not 0 <= self.soc_min < self.soc_max <= 1:
            raise SettingsError("soc_min, soc_max", "must rise, and lie in 0..1")
        if not _LEAST_CONFIDENCE <= self.confidence < 1:
            raise SettingsError("confidence", "must be 0.5 or more and below 1")

    @property
    def parallel(self) -> Floats:
        """Cells side by side in each rack, shape (racks,)."""
        return np.asarray(self.rack_capacity_ah / self.model.capacity_ah, np.float32)


@dataclass(frozen=True)
class RackFacts:
    """What else is known of the racks at a moment; NaN where it is not. Shape (racks,) each.

    Attributes:
        charge_current_limit_a, discharge_current_limit_a: of the BMS, of the whole rack, positive.
        bms_soc: what the BMS says, a share of 1.
        voltage_v: of the whole rack.
        power_kw: at the meter, shared out to racks, auxiliaries included; discharge positive.
        available: whether the rack can be dispatched.
    """

    charge_current_limit_a: Floats
    discharge_current_limit_a: Floats
    bms_soc: Floats
    voltage_v: Floats
    power_kw: Floats
    available: Flags


@dataclass(frozen=True)
class EstimatorState:
    """All that is kept from one second to the next; state_file turns it into bytes and back.

    Attributes:
        make: of the cells, as its type plate says.
        soc: of the SOC filter.
        resumed: racks that came back after an absence and are still wider than usual, (racks,).
    """

    make: str
    soc: SocState
    resumed: Flags


@dataclass(frozen=True)
class Estimates:
    """What is made of one second. Keys are signal names of the contract's layouts.

    Attributes:
        cells: arrays of shape (cells,).
        racks: arrays of shape (racks,); cell indices count from 1 in each rack.
        station: numbers.
    """

    cells: Mapping[str, Floats]
    racks: Mapping[str, Floats]
    station: Mapping[str, float]


def start(settings: Settings, told_soc: Floats) -> EstimatorState:
    """Return the state before the first second.

    Args:
        settings: of the station.
        told_soc: by something not to be relied on, as the BMS; NaN: not known; shape (cells,).
    """
    return EstimatorState(
        make=settings.model.make,
        soc=soc.cold_start(settings.model, settings.rack, settings.racks, told_soc),
        resumed=np.zeros(settings.racks, bool),
    )


def tick(
    settings: Settings, state: EstimatorState, samples: Samples, facts: RackFacts
) -> tuple[EstimatorState, Estimates]:
    """Take one moment of all racks, and return the state after it and what is made of it."""
    del facts
    capacity_ah = np.full(len(settings.rack), settings.model.capacity_ah, np.float32)
    after, estimate = soc.step(settings.model, state.soc, samples, capacity_ah)
    state = replace(state, soc=after)
    return state, _told(settings, state, estimate)


def resume(settings: Settings, state: EstimatorState, away_s: float) -> EstimatorState:
    """Return the state after an absence in which nothing was seen, as wide as is honest."""
    del away_s
    return replace(state, resumed=np.ones(settings.racks, bool))


def _told(settings: Settings, state: EstimatorState, estimate: SocEstimate) -> Estimates:
    first = np.flatnonzero(np.diff(settings.rack, prepend=-1))
    cells = {name: np.full(len(settings.rack), _NOT_KNOWN, np.float32) for name in _CELL_NAMES}
    racks = {name: np.full(settings.racks, _NOT_KNOWN, np.float32) for name in _RACK_NAMES}
    station = dict.fromkeys(_STATION_NAMES, _NOT_KNOWN)
    counts = np.diff(first, append=len(settings.rack))
    cells["cell_soc"] = estimate.soc
    cells["cell_soc_half_width"] = estimate.half_width
    racks["soc_estimate"] = (np.add.reduceat(estimate.soc, first) / counts).astype(np.float32)
    racks["soc_half_width"] = np.maximum.reduceat(estimate.half_width, first)
    searching = np.add.reduceat(state.soc.searching.astype(np.float32), first)
    racks["cells_searching"] = searching
    racks["estimator_state"] = np.where(searching > 0, SEARCHING, SETTLED).astype(np.float32)
    station["soc_estimate"] = float(racks["soc_estimate"].mean())
    station["cells_searching"] = float(searching.sum())
    station["cells_estimated"] = float(len(settings.rack))
    return Estimates(MappingProxyType(cells), MappingProxyType(racks), MappingProxyType(station))
