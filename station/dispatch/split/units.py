"""What the split must know of the converters and racks, and what it hands back.

Powers are kW on the AC side, discharge positive; limits are positive magnitudes; NaN means
"not known".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.limits import LimitReason

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class LossCurve:
    """Loss of a running converter: fixed + linear * |P| + square * P^2.

    Attributes:
        fixed_kw: loss of a converter that runs without power; a sleeping one saves it.
        linear: kW lost per kW.
        square_per_kw: kW lost per kW squared.
    """

    fixed_kw: float
    linear: float
    square_per_kw: float

    @classmethod
    def of_rating(
        cls, rated_kw: float, fixed: float = 0.003, linear: float = 0.004, square: float = 0.008
    ) -> "LossCurve":
        """Return the curve of a rating from its per-unit coefficients.

        The defaults give 98.5 % at rated power and the best point near 0.6 of it, the course
        of published efficiency curves of central storage converters; a data sheet's points
        belong into the configuration.
        """
        return cls(fixed * rated_kw, linear, square / rated_kw)

    def loss_kw(self, power_kw: float) -> float:
        """Return the loss of a running converter at a power, kW."""
        load = abs(power_kw)
        return self.fixed_kw + load * (self.linear + load * self.square_per_kw)


@dataclass(frozen=True)
class RackUnit:
    """One rack behind a converter, in parallel with the others on the DC bus.

    Attributes:
        device: tag.
        charge_kw, discharge_kw: what it may do on the DC side.
        soc: 0..1. resistance_ohm: of the rack with its wiring. voltage_v: at its terminals.
        closed: its contactor is closed; an open one carries nothing.
    """

    device: str
    charge_kw: float
    discharge_kw: float
    soc: float = math.nan
    resistance_ohm: float = math.nan
    voltage_v: float = math.nan
    closed: bool = True


@dataclass(frozen=True)
class SplitUnit:
    """One converter as the split sees it.

    Attributes:
        device: tag.
        charge_kw, discharge_kw: limits in force.
        curve: its losses.
        soc: mean state of charge behind it. temperature_c: of its hottest part.
        min_load_kw: least magnitude worth running it for.
        ramp_kw: most that its set-point may move in this step.
        power_kw: its set-point of the last step.
        active: it had power in the last step; bringing in another one costs the start.
        available: it follows set-points; one that does not gets none.
        may_sleep: without power it may be stopped, which saves its fixed loss. False while
            frequency response must find every converter running.
        racks: the racks behind it; empty: only the limits above count.
    """

    device: str
    charge_kw: float
    discharge_kw: float
    curve: LossCurve
    soc: float = math.nan
    temperature_c: float = math.nan
    min_load_kw: float = 0.0
    ramp_kw: float = math.inf
    power_kw: float = 0.0
    active: bool = False
    available: bool = True
    may_sleep: bool = True
    racks: tuple[RackUnit, ...] = ()


@dataclass(frozen=True)
class SplitSettings:
    """How shares are tilted, and what a change of the running converters must be worth.

    Attributes:
        soc_gain: how far the share moves, in parts of the converter's limit, per unit of SOC
            above the mean. 2: a battery 5 % fuller than the mean discharges with 10 % of its
            limit more. The extra loss grows with the square of this shift and stays below a
            hundredth of the converters' losses at the spreads of a healthy station.
        temperature_gain_per_k: likewise per kelvin above the mean, less load when hotter.
        start_loss: what starting another converter must save, in parts of its limit. It keeps
            converters from being started and stopped by every small change of power: with the
            default curve, until the power has moved by 4 % of a rating past the point of
            change, or a resting battery is 3 % of SOC better placed at a fifth of its power.
        rack_voltage_slope: relative change of a rack's open-circuit voltage per unit of SOC;
            LFP cells move by 0.1 V of 3.3 V over the middle 80 % (see the published curves
            in the simulator's cell tables).
    """

    soc_gain: float = 2.0
    temperature_gain_per_k: float = 0.02
    start_loss: float = 0.0002
    rack_voltage_slope: float = 0.04


@dataclass(frozen=True)
class Fleet:
    """All units as arrays, in the order of their tags; (n,) unless said otherwise.

    Attributes:
        devices: tags. units: what they were made from.
        charge_kw, discharge_kw: limits, racks taken into account, 0 for unavailable units.
        linear, slope: marginal loss is ``linear + slope * load``.
        standing_kw: lost by a unit that runs, without load.
        fixed_kw: saved by sleeping; 0 for units that may not sleep.
        least_kw: least load worth running it for.
        awake: runs with and without load: it is there at once.
        start_loss: what bringing in another unit must save, in parts of its limit.
        soc_tilt, temperature_tilt: of the share, in parts of the limit.
        rack_bound: the racks, not the limit of the unit, bind.
        rack_unit, rack_share, rack_circulating_kw: (racks,) unit of each closed rack, its
            part of the unit's DC power, and what it carries at no power.
        rack_devices: tags of these racks.
    """

    devices: tuple[str, ...]
    units: tuple[SplitUnit, ...]
    charge_kw: Floats
    discharge_kw: Floats
    linear: Floats
    slope: Floats
    standing_kw: Floats
    fixed_kw: Floats
    least_kw: Floats
    awake: Flags
    start_loss: float
    soc_tilt: Floats
    temperature_tilt: Floats
    rack_bound: Flags
    rack_devices: tuple[str, ...]
    rack_unit: Indices
    rack_share: Floats
    rack_circulating_kw: Floats


@dataclass(frozen=True)
class SplitResult:
    """The power of each converter, and what it means.

    Attributes:
        asked_kw: what the station should do. power_kw: the sum of what follows.
        powers: kW by converter, discharge positive.
        racks: predicted DC kW by closed rack.
        loss_kw: losses of the running converters.
        sleeping: converters without power that may be stopped.
        limited: the limit that keeps the sum from `asked_kw`; NONE when none does.
        fleet: what it was made from, for a quick re-split.
    """

    asked_kw: float
    power_kw: float
    powers: Mapping[str, float]
    racks: Mapping[str, float]
    loss_kw: float
    sleeping: frozenset[str]
    limited: LimitReason
    fleet: Fleet
