"""What the estimators of a station are told once, and what of each second beside the samples."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from station.estimators.anomaly import Detector, Place, place_of
from station.estimators.by_rack import ByRack
from station.estimators.cell_limits import LFP, CellLimits
from station.estimators.cell_model import CellModel, Floats
from station.estimators.charge_health import ChargeHealth
from station.estimators.errors import SettingsError
from station.estimators.health_limit import HealthCurves
from station.estimators.network import Network
from station.estimators.samples import Flags, Indices
from station.estimators.strings import Bounds

_LEAST_CONFIDENCE = 0.5


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
        limits: of a cell.
        network: what corrects the filter, or None.
        anomaly: the detector of anomalies, or None.
        health: current over health of the cells; None: not told.
        charge_health: the SOH model of the ends of charges, or None.
        stack: which converter each rack hangs on, shape (racks,); None: all on one.
    """

    model: CellModel
    rack: Indices
    racks: int
    rack_capacity_ah: Floats
    soc_min: float
    soc_max: float
    rack_rated_kw: Floats
    confidence: float = 0.9
    limits: CellLimits = LFP
    network: Network | None = None
    anomaly: Detector | None = None
    health: HealthCurves | None = None
    charge_health: ChargeHealth | None = None
    stack: Indices | None = None

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

    @cached_property
    def parallel(self) -> Floats:
        """Cells side by side in each rack, shape (racks,)."""
        return np.asarray(self.rack_capacity_ah / self.model.capacity_ah, np.float32)

    @cached_property
    def by_rack(self) -> ByRack:
        """Where the racks' cells are."""
        return ByRack.of(self.rack)

    @cached_property
    def place(self) -> Place:
        """Where cells stand, for the detector of anomalies."""
        return place_of(self.rack, self.racks, self.stack)

    @property
    def bounds(self) -> Bounds:
        """What no cell may leave."""
        return Bounds(self.limits, self.soc_min, self.soc_max)


@dataclass(frozen=True)
class RackFacts:
    """What else is known of the racks at a moment; NaN where it is not. Shape (racks,) each.

    Attributes:
        charge_current_limit_a, discharge_current_limit_a: of the BMS, of the whole rack, positive.
        bms_soc: what the BMS says, a share of 1.
        voltage_v: of the whole rack.
        power_kw: at the meter, shared out to racks, auxiliaries included; discharge positive.
        rack_power_kw: as the rack itself measures it, at its terminals.
        available: whether the rack can be dispatched.
        charge_guarded, discharge_guarded: whether that limit of current is protection's, which is
            lower than the BMS's.
    """

    charge_current_limit_a: Floats
    discharge_current_limit_a: Floats
    bms_soc: Floats
    voltage_v: Floats
    power_kw: Floats
    rack_power_kw: Floats
    available: Flags
    charge_guarded: Flags | None = None
    discharge_guarded: Flags | None = None
