"""How much power the station may take or give right now, and what forbids more.

Rules, per container (racks in parallel on one DC bus behind one converter):

* A rack whose contactor is open carries nothing and is left out. A rack that is stale, in
  fault, or does not tell a limit while its contactor is (or may be) closed allows nothing:
  it shares the current of its neighbours, and what its BMS would forbid cannot be known.
* A rack allows its BMS current limit times its voltage, less a headroom; nothing where a
  cell has reached the station's own voltage or temperature bound; less and less over the
  last stretch of SOC before the configured band ends.
* Racks share unequally, so a container allows the smallest of limit / share over its racks,
  never just the sum. The share is the larger of the equal share (with a margin) and the one
  measured.
* A rack carries no more than the maker's map allows at its temperature, SOC and health: that
  which its BMS tells, or that of its most worn cell as the station estimates it, whichever is
  worse.
* The converter's rating bounds everything; a converter that cannot follow allows nothing.
* A fire, or an insulation alarm on the container's bus, allows nothing.
* Findings of protection lower what is left by their factor, at a rack, a container or the
  whole station; a factor of 0 allows nothing.

Charge and discharge are bounded separately. Each bound says which device and cell it comes
from, so that a trader can be told why.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from contract.limits import LimitReason
from station.protection.restraints import MapLimit, Restraint, Restraints
from station.protection.states import ContainerState, PlantState, RackState

_FIRE = 2
_MEASURED_SHARE_FROM = 0.10
"""Current below this part of the racks' limits says nothing about how they share."""


@dataclass(frozen=True)
class LimitMargins:
    """What the station keeps off the limits of the BMS; see ``LimitsConfig`` for meanings."""

    rated_power_kw: float
    soc_min: float
    soc_max: float
    headroom: float
    unequal_sharing: float
    conversion_efficiency: float
    soc_taper: float
    cell_voltage_max_v: float
    cell_voltage_min_v: float
    cell_temperature_max_c: float
    cell_temperature_min_c: float
    cell_voltage_near_v: float
    cell_temperature_near_c: float


@dataclass(frozen=True)
class Bound:
    """An upper bound of power in one direction.

    Attributes:
        kw: positive magnitude at the converter's AC side.
        reason: which rule binds.
        device: the device it comes from, empty for a rule of the whole station.
        cell: 1-based index of the binding cell, None when no single cell binds.
        missing: signals that the rack does not tell, or not with a value, and that limits need.
    """

    kw: float
    reason: LimitReason
    device: str = ""
    cell: int | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConverterLimits:
    """What one converter may do."""

    charge: Bound
    discharge: Bound


@dataclass(frozen=True)
class StationLimits:
    """What the station may do, as a whole and by converter tag.

    Attributes:
        charge, discharge: of the whole station.
        converters: by converter tag.
        racks: (charge, discharge) of what the cell map leaves each rack, by rack tag.
    """

    charge: Bound
    discharge: Bound
    converters: Mapping[str, ConverterLimits]
    racks: Mapping[str, tuple[MapLimit, MapLimit]] = field(default_factory=dict)


_UNRESTRAINED = Restraints()


def station_limits(
    plant: PlantState, margins: LimitMargins, restraints: Restraints = _UNRESTRAINED
) -> StationLimits:
    """Return the bounds of the station; see the rules at the head of this file."""
    converters = {
        container.converter.device: _container_limits(container, plant.fire, margins, restraints)
        for container in plant.containers
    }
    ratings = {c.converter.device: c.converter.rated_kw for c in plant.containers}
    charge = {tag: limits.charge for tag, limits in converters.items()}
    discharge = {tag: limits.discharge for tag, limits in converters.items()}
    rated_kw = margins.rated_power_kw
    return StationLimits(
        charge=_cap(_sum(charge, ratings, rated_kw), rated_kw, restraints.station, charging=True),
        discharge=_cap(
            _sum(discharge, ratings, rated_kw), rated_kw, restraints.station, charging=False
        ),
        converters=MappingProxyType(converters),
        racks=restraints.maps,
    )


def _sum(bounds: Mapping[str, Bound], ratings: Mapping[str, float], rated_kw: float) -> Bound:
    """Add up the converters; the one that lacks most of its rating names the reason."""
    if not bounds:
        return Bound(0.0, LimitReason.PCS_UNAVAILABLE)
    total_kw = math.fsum(bound.kw for bound in bounds.values())
    if total_kw >= rated_kw:
        whole = math.fsum(ratings.values()) <= rated_kw
        return Bound(rated_kw, LimitReason.NONE if whole else LimitReason.STATION_CONFIG)
    worst = max(bounds, key=lambda tag: ratings[tag] - bounds[tag].kw)
    return replace(bounds[worst], kw=total_kw)


def _factor(restraint: Restraint, *, charging: bool) -> float:
    return restraint.charge if charging else restraint.discharge


def _cap(
    bound: Bound, rated_kw: float, restraints: tuple[Restraint, ...], *, charging: bool
) -> Bound:
    """Lower a bound to the smallest restrained part of a rating."""
    for restraint in restraints:
        kw = rated_kw * _factor(restraint, charging=charging)
        # At equal power the finding is named, since it is what a person must act on.
        if kw < bound.kw or kw == bound.kw == 0:
            bound = Bound(kw, restraint.reason, restraint.device, restraint.cell)
    return bound


def _container_limits(
    container: ContainerState, fire: str, margins: LimitMargins, restraints: Restraints
) -> ConverterLimits:
    forbidden = _forbidden(container, fire)
    if forbidden is not None:
        charge = discharge = forbidden
    else:
        charge = _direction_limit(container, margins, restraints, charging=True)
        discharge = _direction_limit(container, margins, restraints, charging=False)
    rated_kw = container.converter.rated_kw
    # A station-wide factor lowers the station; only a zero must reach every converter.
    holding = (
        *restraints.containers.get(container.name, ()),
        *(r for r in restraints.station if min(r.charge, r.discharge) <= 0),
    )
    return ConverterLimits(
        charge=_cap(charge, rated_kw, holding, charging=True),
        discharge=_cap(discharge, rated_kw, holding, charging=False),
    )


def _forbidden(container: ContainerState, fire: str) -> Bound | None:
    """Return the bound of 0 kW that an interlock or the converter itself sets, if any."""
    converter, panel = container.converter, container.fire
    if fire:
        return Bound(0.0, LimitReason.FIRE, fire)
    if panel is not None and panel.fresh and panel.state == _FIRE:
        return Bound(0.0, LimitReason.FIRE, panel.device)
    if container.interlock:
        return Bound(0.0, LimitReason.INSULATION, container.interlock)
    if not converter.fresh:
        return Bound(0.0, LimitReason.STALE_DATA, converter.device)
    if not converter.available:
        return Bound(0.0, LimitReason.PCS_UNAVAILABLE, converter.device)
    return None


def _direction_limit(
    container: ContainerState, margins: LimitMargins, restraints: Restraints, *, charging: bool
) -> Bound:
    carrying = [rack for rack in container.racks if rack.contactor_closed is not False]
    if not carrying:
        return Bound(0.0, LimitReason.RACK_UNAVAILABLE, container.name)
    rating = Bound(container.converter.rated_kw, LimitReason.PCS_RATING, container.converter.device)
    bounds = [_restrained_rack(rack, margins, restraints, charging=charging) for rack in carrying]
    shares = _shares(carrying, margins, charging=charging)
    to_ac = 1.0 if charging else margins.conversion_efficiency
    scaled = [
        replace(bound, kw=bound.kw / share * to_ac)
        for bound, share in zip(bounds, shares, strict=True)
    ]
    return min([rating, *scaled], key=lambda bound: bound.kw)


def _restrained_rack(
    rack: RackState, margins: LimitMargins, restraints: Restraints, *, charging: bool
) -> Bound:
    """Return what one rack allows on the DC side when its findings are heeded, too."""
    found = restraints.maps.get(rack.device)
    limit = None if found is None else found[0 if charging else 1]
    bound = _rack_bound(rack, margins, limit, charging=charging)
    return _cap(bound, bound.kw, restraints.racks.get(rack.device, ()), charging=charging)


def _shares(racks: list[RackState], margins: LimitMargins, *, charging: bool) -> list[float]:
    """Return the part of the container's current that each rack must be assumed to carry."""
    equal = 1.0 / len(racks)
    assumed = min(1.0, equal * (1.0 + margins.unequal_sharing))
    sign = -1.0 if charging else 1.0
    currents = [sign * rack.current_a for rack in racks]
    limits = [_limit_a(rack, charging=charging) for rack in racks]
    total = math.fsum(currents)
    if not total > _MEASURED_SHARE_FROM * math.fsum(limits):
        return [assumed] * len(racks)
    return [max(equal, current / total) for current in currents]


def _limit_a(rack: RackState, *, charging: bool) -> float:
    return rack.charge_current_limit_a if charging else rack.discharge_current_limit_a


def _rack_bound(
    rack: RackState, margins: LimitMargins, limit: MapLimit | None, *, charging: bool
) -> Bound:
    """Return what one rack allows on the DC side by its BMS, its SOC and its cell map."""
    unknown = _unknown(rack, charging=charging)
    if unknown is not None:
        return unknown
    limit_a = _limit_a(rack, charging=charging)
    by_map = limit is not None and not limit_a <= limit.current_a
    if limit is not None and by_map and math.isfinite(limit_a):
        limit_a = limit.current_a if math.isfinite(limit.current_a) else 0.0
    kw = limit_a * rack.voltage_v / 1000 * (1.0 - margins.headroom)
    cell = _cell_bound(rack, margins, charging=charging)
    if cell is not None:
        return cell
    room = margins.soc_max - rack.soc if charging else rack.soc - margins.soc_min
    if not (room > 0 and room >= margins.soc_taper):
        part = room / margins.soc_taper if room > 0 else 0.0
        return Bound(max(0.0, kw) * part, LimitReason.SOC_BAND, rack.device)
    if limit is not None and by_map:
        return Bound(max(0.0, kw), limit.reason, rack.device, limit.cell)
    reason, index = _named_cell(rack, margins, charging=charging)
    return Bound(max(0.0, kw), reason, rack.device, index)


def _unknown(rack: RackState, *, charging: bool) -> Bound | None:
    """Return the 0 kW of a rack that is silent, in fault, or tells too little."""
    if not rack.fresh:
        return Bound(0.0, LimitReason.STALE_DATA, rack.device)
    if rack.faulted:
        return Bound(0.0, LimitReason.RACK_UNAVAILABLE, rack.device)
    missing = missing_signals(rack, charging=charging)
    return Bound(0.0, LimitReason.RACK_SIGNALS, rack.device, missing=missing) if missing else None


def missing_signals(rack: RackState, *, charging: bool) -> tuple[str, ...]:
    """Return the signals of the contract without which a rack allows nothing in a direction."""
    told = {
        "contactor_closed": math.nan if rack.contactor_closed is None else 1.0,
        "voltage_v": rack.voltage_v,
        "soc": rack.soc,
        f"{'charge' if charging else 'discharge'}_current_limit_a": _limit_a(
            rack, charging=charging
        ),
        **(
            {"cell_voltage_max_v": rack.cell_voltage_max_v}
            if charging
            else {"cell_voltage_min_v": rack.cell_voltage_min_v}
        ),
        "cell_temperature_max_c": rack.cell_temperature_max_c,
        "cell_temperature_min_c": rack.cell_temperature_min_c,
    }
    return tuple(signal for signal, value in told.items() if not math.isfinite(value))


def _cell_bound(rack: RackState, margins: LimitMargins, *, charging: bool) -> Bound | None:
    """Return 0 kW where a cell has reached a bound of the station."""
    hot = not rack.cell_temperature_max_c < margins.cell_temperature_max_c
    if hot or not rack.cell_temperature_min_c > margins.cell_temperature_min_c:
        index = rack.cell_temperature_max_index if hot else rack.cell_temperature_min_index
        return Bound(0.0, LimitReason.CELL_TEMPERATURE, rack.device, index or None)
    if charging and not rack.cell_voltage_max_v < margins.cell_voltage_max_v:
        index = rack.cell_voltage_max_index
        return Bound(0.0, LimitReason.CELL_VOLTAGE, rack.device, index or None)
    if not charging and not rack.cell_voltage_min_v > margins.cell_voltage_min_v:
        index = rack.cell_voltage_min_index
        return Bound(0.0, LimitReason.CELL_VOLTAGE, rack.device, index or None)
    return None


def _named_cell(
    rack: RackState, margins: LimitMargins, *, charging: bool
) -> tuple[LimitReason, int | None]:
    """Name the cell that makes a BMS lower its current limit: the one closest to a bound."""
    near_v, near_c = margins.cell_voltage_near_v, margins.cell_temperature_near_c
    if charging and rack.cell_voltage_max_v > margins.cell_voltage_max_v - near_v:
        return LimitReason.CELL_VOLTAGE, rack.cell_voltage_max_index or None
    if not charging and rack.cell_voltage_min_v < margins.cell_voltage_min_v + near_v:
        return LimitReason.CELL_VOLTAGE, rack.cell_voltage_min_index or None
    if rack.cell_temperature_max_c > margins.cell_temperature_max_c - near_c:
        return LimitReason.CELL_TEMPERATURE, rack.cell_temperature_max_index or None
    if rack.cell_temperature_min_c < margins.cell_temperature_min_c + near_c:
        return LimitReason.CELL_TEMPERATURE, rack.cell_temperature_min_index or None
    return LimitReason.RACK_CURRENT, None
