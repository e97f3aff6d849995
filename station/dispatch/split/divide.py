"""How the station's power is divided among its converters, with the least loss.

Rules:

* The sum is what was asked for, exactly, or the nearest that limits and ramps allow.
* No converter gets more than its limit, its racks' limits, or its ramp allow, and never a sign
  against another's: one does not charge while another discharges. A limit that has tightened
  acts at once, whatever the ramp.
* Among all divisions the one with the least loss is taken (efficiency curves, converters that
  may sleep), tilted so that the fuller battery discharges more and the emptier one charges
  more, and the hotter one does less.
* A unit that trips is left out at once, and the others take its part; a step of power between
  two plans is shared with units that run without load, where the plan would do so: `resplit`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from contract.limits import LimitReason
from station.dispatch.split.commitment import Choice, commit
from station.dispatch.split.fleet import build_fleet
from station.dispatch.split.units import Flags, Fleet, Floats, SplitResult, SplitSettings, SplitUnit
from station.dispatch.split.water_fill import usable_slope, water_fill

_EXACT_KW = 1e-6
_NO_POWER_KW = 1e-9


def split(
    power_kw: float, units: Sequence[SplitUnit], settings: SplitSettings | None = None
) -> SplitResult:
    """Return the power of each converter.

    Args:
        power_kw: what the converters should do together, discharge positive.
        units: what each may do.
        settings: tilts and the price of a start.
    """
    settings = settings or SplitSettings()
    fleet = build_fleet(units, settings)
    sign = 1.0 if power_kw >= 0 else -1.0
    high, marginal, slope = _direction(fleet, sign)
    active = np.array([unit.active for unit in fleet.units], dtype=np.bool_)
    usable = np.flatnonzero(high > 0)
    choice = Choice(
        least=np.minimum(fleet.least_kw, high)[usable],
        high=high[usable],
        marginal=marginal[usable],
        slope=slope[usable],
        standing=(fleet.fixed_kw + np.where(active, 0.0, fleet.start_loss * high))[usable],
    )
    chosen, chosen_loads = commit(choice, abs(power_kw))
    wanted = np.zeros(len(high), dtype=np.bool_)
    wanted[usable[chosen]] = True
    loads = np.zeros(len(high))
    loads[usable] = chosen_loads
    previous = sign * np.array([unit.power_kw for unit in fleet.units], dtype=np.float64)
    ramp = np.array([unit.ramp_kw for unit in fleet.units], dtype=np.float64)
    if np.any(np.abs(loads - previous) > ramp):
        loads = _along_ramp(fleet, abs(power_kw), sign, wanted, previous, ramp)
    return _result(fleet, power_kw, sign * loads)


def resplit(
    result: SplitResult,
    lost: Iterable[str] = (),
    power_kw: float | None = None,
    since: Mapping[str, float] | None = None,
) -> SplitResult:
    """Return a division without the lost units, or for another power, at once.

    The quick path of the fast loop: converters with load take what is missing within their limits;
    those that run without load come in where these cannot, or where that saves more than it must
    in the plan, too; others only when all of these cannot. Ramps do not count, since the power is
    missing now. Who came in since the plan stays in until the next one: nothing goes to and fro.

    Args:
        result: the division in force.
        lost: converters that have tripped since.
        power_kw: another power for the station; the same when None.
        since: powers of the last re-split of this division, by converter.
    """
    fleet = result.fleet
    asked_kw = result.asked_kw if power_kw is None else power_kw
    sign = 1.0 if asked_kw >= 0 else -1.0
    gone = frozenset(lost)
    high, marginal, slope = _direction(fleet, sign)
    high = np.where(_among(fleet, gone), 0.0, high)
    powers = result.powers
    loaded = [max(abs(powers[d]), abs((since or powers).get(d, 0.0))) for d in fleet.devices]
    able = high > 0
    running = (np.array(loaded) > _NO_POWER_KW) & able
    masks = np.stack((running, running | (fleet.awake & able), able))
    loads = water_fill(masks, np.zeros(len(high)), high, marginal, slope, abs(asked_kw))
    enough = loads.sum(axis=1) >= abs(asked_kw) - _EXACT_KW
    chosen = int(np.argmax(enough)) if enough.any() else len(masks) - 1
    new = ~running & (loads[1] > _NO_POWER_KW)
    if enough[0] and new.any():
        costs = (loads * (marginal + 0.5 * slope * loads)).sum(axis=1)
        worth = costs[0] - costs[1] > fleet.start_loss * high[new].sum()
        chosen = int(worth and not np.any(loads[1, new] < fleet.least_kw[new]))
    return _result(fleet, asked_kw, sign * loads[chosen], gone)


def equal_split(
    power_kw: float, units: Sequence[SplitUnit], settings: SplitSettings | None = None
) -> SplitResult:
    """Return equal parts for all converters, as far as limits allow: the plain reference."""
    fleet = build_fleet(units, settings or SplitSettings())
    sign = 1.0 if power_kw >= 0 else -1.0
    high, _, _ = _direction(fleet, sign)
    same = np.ones(len(high))
    loads = water_fill(
        (high > 0)[None, :], np.zeros(len(high)), high, np.zeros(len(high)), same, abs(power_kw)
    )
    return _result(fleet, power_kw, sign * loads[0])


def _direction(fleet: Fleet, sign: float) -> tuple[Floats, Floats, Floats]:
    """Return limit, marginal loss with tilts, and its slope, for one direction."""
    high = fleet.discharge_kw if sign > 0 else fleet.charge_kw
    slope = usable_slope(fleet.slope, high)
    tilt = np.clip(sign * fleet.soc_tilt + fleet.temperature_tilt, -1.0, 1.0)
    return high, fleet.linear - tilt * slope * high, slope


def _along_ramp(  # noqa: PLR0917 - arrays of one and the same fleet
    fleet: Fleet, load_kw: float, sign: float, wanted: Flags, previous: Floats, ramp: Floats
) -> Floats:
    """Return loads as near to the wanted division as the ramps of this step allow."""
    high, marginal, slope = _direction(fleet, sign)
    lowest = np.minimum(np.maximum(previous - ramp, 0.0), high)
    highest = np.clip(previous + ramp, lowest, high)
    other_side = previous + ramp < 0
    opposite = fleet.charge_kw if sign > 0 else fleet.discharge_kw
    crossing = np.where(other_side, np.maximum(previous + ramp, -opposite), 0.0)
    if np.any(crossing < -_NO_POWER_KW):
        # Nobody starts on one side while another still stands on the other.
        return np.asarray(np.where(other_side, crossing, lowest), dtype=np.float64)
    everyone = np.ones((1, len(high)), dtype=np.bool_)
    # Units that should not run are brought down; while the others cannot carry all yet, these
    # go as high as they can and the rest stays with the leaving ones.
    floor, ceiling = lowest, np.where(wanted, highest, lowest)
    if ceiling.sum() < load_kw:
        floor, ceiling = ceiling, highest
    loads: Floats = water_fill(everyone, floor, ceiling, marginal, slope, load_kw)[0]
    return loads


def _result(
    fleet: Fleet, asked_kw: float, powers: Floats, gone: frozenset[str] = frozenset()
) -> SplitResult:
    working = np.abs(powers) > _NO_POWER_KW
    dc = powers + np.where(working, _losses(fleet, powers), 0.0)
    rack_kw = fleet.rack_share * dc[fleet.rack_unit] + fleet.rack_circulating_kw
    lost_kw = _losses(fleet, powers)
    counted = working | fleet.awake
    absent = _among(fleet, gone)
    counted &= ~absent
    total_kw = math.fsum(powers)
    return SplitResult(
        asked_kw=asked_kw,
        power_kw=total_kw,
        powers=dict(zip(fleet.devices, map(float, powers), strict=True)),
        racks=dict(zip(fleet.rack_devices, map(float, rack_kw), strict=True)),
        loss_kw=float(lost_kw[counted].sum()),
        sleeping=frozenset(
            unit.device
            for unit, works in zip(fleet.units, working, strict=True)
            if unit.may_sleep and not works
        ),
        limited=_limited(fleet, asked_kw, total_kw, powers, absent),
        fleet=fleet,
    )


def _among(fleet: Fleet, devices: frozenset[str]) -> Flags:
    return np.array([device in devices for device in fleet.devices], dtype=np.bool_)


def _losses(fleet: Fleet, powers: Floats) -> Floats:
    load = np.abs(powers)
    losses: Floats = fleet.standing_kw + load * (fleet.linear + 0.5 * fleet.slope * load)
    return losses


def _limited(
    fleet: Fleet, asked_kw: float, total_kw: float, powers: Floats, gone: Flags
) -> LimitReason:
    """Name what keeps the sum from what was asked for."""
    if abs(total_kw - asked_kw) <= _EXACT_KW:
        return LimitReason.NONE
    high = fleet.discharge_kw if asked_kw >= 0 else fleet.charge_kw
    at_limit = (np.abs(powers) >= high - _EXACT_KW) | gone
    if not at_limit.all() or abs(total_kw) > abs(asked_kw):
        return LimitReason.RAMP
    if fleet.rack_bound.any():
        return LimitReason.RACK_CURRENT
    if gone.any() or not all(unit.available for unit in fleet.units):
        return LimitReason.PCS_UNAVAILABLE
    return LimitReason.PCS_RATING
