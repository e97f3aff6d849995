"""The battery that a station can sell: what its estimators promise, not what its plate says.

Energy and power come from the station's dispatchable figures, which hold with a stated confidence;
SOC runs from 0 (nothing left to promise) to 1 (no room left to promise). Where a station does not
tell them, its plate is used and that is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cloud.market.battery import Battery

# Of a liquid-cooled LFP station at its meter, auxiliaries included; half of the loss each way.
# The same planning value as that of schedules (cloud.fleet.ROUND_TRIP_EFFICIENCY).
PLANNED_ROUND_TRIP: Final = 0.88
_LEAST_EFFICIENCY: Final = 0.5
_HORIZONS: Final = ("4h", "1h", "15min")


@dataclass(frozen=True, slots=True)
class Plate:
    """What is known of a station without its estimators: MW, MWh, and the SOC band, 0..1."""

    power_mw: float
    energy_mwh: float
    soc_min: float
    soc_max: float


@dataclass(frozen=True)
class StationBattery:
    """A battery to bid with, and what must be said of it.

    Attributes:
        battery: SOC 0..1 is the part that may be promised.
        confidence: with which the promised energy holds; None: from the plate.
        notes: sentences in English on what was not known.
    """

    battery: Battery
    confidence: float | None
    notes: tuple[str, ...]


def station_battery(
    points: Mapping[str, float | None], device: str, plate: Plate, wear_per_mwh: float
) -> StationBattery:
    """Return what a station can sell now.

    Args:
        points: newest values by "DEVICE:signal", None where unknown.
        device: tag under which the station tells its own estimates.
        plate: used where they are missing.
        wear_per_mwh: cost of ageing per MWh discharged.
    """

    def told(signal: str) -> float | None:
        return points.get(f"{device}:{signal}")

    notes: list[str] = []
    into, out = _efficiencies(told("ece_charge"), told("ece_discharge"), notes)
    powers = told("discharge_power_15min_kw"), told("charge_power_15min_kw")
    give, take = _reach(points, device, "discharge"), _reach(points, device, "charge")
    if give is None or take is None or None in powers:
        notes.append("the station promises no energy at present: its plate is used")
        return StationBattery(
            _of_plate(plate, told("soc"), into, out, wear_per_mwh), None, tuple(notes)
        )
    discharge_mw, charge_mw = (float(power or 0.0) / 1e3 for power in powers)
    held, room = give / 1e3 / out, take / 1e3 * into
    stored = held + room
    battery = Battery(
        charge_mw=min(max(charge_mw, 0.0), plate.power_mw),
        discharge_mw=min(max(discharge_mw, 0.0), plate.power_mw),
        energy_mwh=max(stored, 1e-6),
        charge_efficiency=into,
        discharge_efficiency=out,
        wear_per_mwh=wear_per_mwh,
        soc=held / stored if stored > 0 else 0.0,
    )
    return StationBattery(battery, told("dispatchable_confidence"), tuple(notes))


def _efficiencies(
    charge: float | None, discharge: float | None, notes: list[str]
) -> tuple[float, float]:
    known = [one for one in (charge, discharge) if one is not None and one > _LEAST_EFFICIENCY]
    if len(known) < 2:  # noqa: PLR2004 - both ways
        notes.append(f"efficiency is not known yet: {PLANNED_ROUND_TRIP:.0%} both ways is assumed")
        half = PLANNED_ROUND_TRIP**0.5
        return half, half
    return min(known[0], 1.0), min(known[1], 1.0)


def _reach(points: Mapping[str, float | None], device: str, way: str) -> float | None:
    """Return the most energy that any horizon promises, kWh: longer ones are bound by charge."""
    told = [points.get(f"{device}:{way}_energy_{name}_kwh") for name in _HORIZONS]
    known = [one for one in told if one is not None]
    return max(known) if known else None


def _of_plate(
    plate: Plate, soc: float | None, into: float, out: float, wear_per_mwh: float
) -> Battery:
    middle = (plate.soc_min + plate.soc_max) / 2
    begins = min(max(soc if soc is not None else middle, plate.soc_min), plate.soc_max)
    return Battery(
        charge_mw=plate.power_mw,
        discharge_mw=plate.power_mw,
        energy_mwh=plate.energy_mwh,
        charge_efficiency=into,
        discharge_efficiency=out,
        wear_per_mwh=wear_per_mwh,
        soc_min=plate.soc_min,
        soc_max=plate.soc_max,
        soc=begins,
    )
