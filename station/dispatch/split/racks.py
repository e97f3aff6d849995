"""How the racks of one converter share its power, which nobody can command.

Racks in parallel on one DC bus share by resistance and open-circuit voltage. With rack
voltages E_k (they follow SOC) and resistances R_k, rack currents are (E_k - V) / R_k; so each
carries a fixed part of the converter's DC power, proportional to 1/R_k, plus a part that
flows among the racks even at no power, from the fuller to the emptier. The converter's limit
is the power at which the first of its racks meets its own limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from station.dispatch.split.units import Flags, Floats, Indices, LossCurve, SplitUnit


@dataclass(frozen=True)
class RackShares:
    """How power divides among racks, arrays over the closed racks of all units.

    Attributes:
        devices: tags. unit: index of the unit behind which each rack lies.
        share: part of the unit's DC power. circulating_kw: what it carries at no power.
        charge_kw, discharge_kw: DC limits of each whole unit, (units,), infinite without racks.
    """

    devices: tuple[str, ...]
    unit: Indices
    share: Floats
    circulating_kw: Floats
    charge_kw: Floats
    discharge_kw: Floats


def rack_shares(units: Sequence[SplitUnit], voltage_slope: float) -> RackShares:
    """Return how each unit's DC power divides among its racks, and what they allow it.

    Args:
        units: converters with their racks.
        voltage_slope: relative change of open-circuit voltage per unit of SOC.
    """
    racks = [(i, rack) for i, unit in enumerate(units) for rack in unit.racks if rack.closed]
    count = len(units)
    unit = np.array([i for i, _ in racks], dtype=np.intp)
    table = np.array(
        [(r.charge_kw, r.discharge_kw, r.soc, r.resistance_ohm, r.voltage_v) for _, r in racks],
        dtype=np.float64,
    ).reshape(-1, 5)
    charge, discharge, soc, resistance, voltage = table.T
    known = np.isfinite(resistance) & (resistance > 0)
    conductance = np.where(known, 1.0 / np.where(known, resistance, 1.0), 0.0)
    conductance = _filled(conductance, known, unit, count)
    share = conductance / np.bincount(unit, conductance, count)[unit]
    soc = _filled(np.where(np.isfinite(soc), soc, 0.0), np.isfinite(soc), unit, count)
    mean_soc = np.bincount(unit, share * soc, count)[unit]
    measured = known & np.isfinite(voltage)
    volt = np.where(measured, voltage, 0.0)
    circulating = conductance * volt**2 * voltage_slope * (soc - mean_soc) / 1000.0
    # One rack without voltage or resistance leaves its neighbours' exchange unknown too.
    blind = np.bincount(unit, ~measured, count)[unit] > 0
    circulating = np.where(blind, 0.0, circulating)
    limits = np.full((2, count), np.inf)
    np.minimum.at(limits[0], unit, (_none_if_unknown(charge) + circulating) / share)
    np.minimum.at(limits[1], unit, (_none_if_unknown(discharge) - circulating) / share)
    closed = np.bincount(unit, minlength=count) > 0
    lacking = np.array([bool(u.racks) for u in units], dtype=np.bool_) & ~closed
    limits[:, lacking] = 0.0
    names = tuple(rack.device for _, rack in racks)
    return RackShares(names, unit, share, circulating, *np.maximum(limits, 0.0))


def ac_limit_kw(dc_kw: Floats, curves: Sequence[LossCurve]) -> Floats:
    """Return the AC power at which a discharging converter draws `dc_kw`, (units,).

    DC power is AC power plus the loss, so this is the positive root of
    square * P^2 + (1 + linear) * P + fixed - dc = 0, in its form without cancellation.
    """
    fixed = np.array([curve.fixed_kw for curve in curves])
    linear = np.array([curve.linear for curve in curves])
    square = np.array([curve.square_per_kw for curve in curves])
    rest = np.where(np.isfinite(dc_kw), np.maximum(dc_kw - fixed, 0.0), 0.0)
    root = 2.0 * rest / (1.0 + linear + np.sqrt((1.0 + linear) ** 2 + 4.0 * square * rest))
    return np.where(np.isfinite(dc_kw), root, np.inf)


def _filled(values: Floats, known: Flags, unit: Indices, count: int) -> Floats:
    """Give an unknown value the mean of its unit, 1 where a unit knows none."""
    number = np.bincount(unit, known, count)
    total = np.bincount(unit, np.where(known, values, 0.0), count)
    mean = np.where(number > 0, total / np.maximum(number, 1), 1.0)
    return np.where(known, values, mean[unit])


def _none_if_unknown(limit_kw: Floats) -> Floats:
    return np.where(np.isfinite(limit_kw), np.maximum(limit_kw, 0.0), 0.0)
