"""Turns converters and racks into the arrays that the split works on."""

from collections.abc import Sequence

import numpy as np

from station.dispatch.split.racks import ac_limit_kw, rack_shares
from station.dispatch.split.units import Flags, Fleet, Floats, SplitSettings, SplitUnit

_LEAST_LIMIT_KW = 1e-6
"""A limit below a milliwatt is none."""


def build_fleet(units: Sequence[SplitUnit], settings: SplitSettings) -> Fleet:
    """Return the units as arrays, ordered by tag so that nothing depends on their order."""
    ordered = tuple(sorted(units, key=lambda unit: unit.device))
    shares = rack_shares(ordered, settings.rack_voltage_slope)
    curves = [unit.curve for unit in ordered]
    able = np.array([unit.available for unit in ordered], dtype=np.bool_)
    own_charge = _limits(able, [unit.charge_kw for unit in ordered])
    own_discharge = _limits(able, [unit.discharge_kw for unit in ordered])
    # A charging converter gives its DC side less than it takes: the rack's limit is safe as is.
    charge = _limits(able, np.minimum(own_charge, shares.charge_kw))
    discharge = _limits(able, np.minimum(own_discharge, ac_limit_kw(shares.discharge_kw, curves)))
    soc = [unit.soc for unit in ordered]
    heat = [unit.temperature_c for unit in ordered]
    return Fleet(
        devices=tuple(unit.device for unit in ordered),
        units=ordered,
        charge_kw=charge,
        discharge_kw=discharge,
        linear=np.array([curve.linear for curve in curves]),
        slope=np.array([2.0 * curve.square_per_kw for curve in curves]),
        standing_kw=np.array([curve.fixed_kw for curve in curves]),
        fixed_kw=np.array([u.curve.fixed_kw if u.may_sleep else 0.0 for u in ordered]),
        least_kw=np.array([u.min_load_kw for u in ordered], dtype=np.float64),
        awake=able & ~np.array([u.may_sleep for u in ordered], dtype=np.bool_),
        start_loss=settings.start_loss,
        soc_tilt=settings.soc_gain * _above_mean(soc, able),
        temperature_tilt=-settings.temperature_gain_per_k * _above_mean(heat, able),
        rack_bound=(charge < own_charge) | (discharge < own_discharge),
        rack_devices=shares.devices,
        rack_unit=shares.unit,
        rack_share=shares.share,
        rack_circulating_kw=shares.circulating_kw,
    )


def _limits(able: Flags, limits: Sequence[float] | Floats) -> Floats:
    values = np.asarray(limits, dtype=np.float64)
    return np.where(able & (values >= _LEAST_LIMIT_KW), values, 0.0)


def _above_mean(values: Sequence[float], able: Flags) -> Floats:
    """Return how far each value lies above the mean of the able ones; 0 where not known."""
    array = np.array(values, dtype=np.float64)
    known = np.isfinite(array) & able
    if not known.any():
        return np.zeros(len(array))
    return np.where(np.isfinite(array), array - array[known].mean(), 0.0)
