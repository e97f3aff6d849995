"""Voltage and reactive support: how many kvar the station gives, and what that costs in kW.

Positive kvar raise the voltage (the station behaves like a capacitor), negative lower it. Three
ways to ask: a fixed amount, a power factor, or a curve over voltage, Q(U). Converters have an
apparent-power circle: either active power has priority and reactive power gets what is left
inside the circle, or the other way round, and then active power is bounded.

The default curve is that of IEEE 1547-2018 for category B: 44 % of apparent power at 0.92 and
1.08 of rated voltage, nothing between 0.98 and 1.02, with an open-loop response of 5 s.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from contract.limits import LimitReason
from station.dispatch.proposal import Proposal, Source

_RESPONSE_PART = 0.9
"""IEEE 1547 states the time to 90 % of a step."""


class ReactiveMode(StrEnum):
    """How reactive power is asked for."""

    OFF = "off"
    FIXED = "fixed"
    POWER_FACTOR = "power_factor"
    CURVE = "curve"


@dataclass(frozen=True)
class ReactiveSettings:
    """What is asked for, and who yields inside the circle.

    Attributes:
        mode: see above. fixed_kvar: for FIXED.
        power_factor: 0..1 for POWER_FACTOR; injects: it raises the voltage.
        curve: (voltage, kvar) points in parts of rated voltage and apparent power.
        response_s: time to 90 % of a step of the curve.
        active_first: active power has priority.
    """

    mode: ReactiveMode = ReactiveMode.OFF
    fixed_kvar: float = 0.0
    power_factor: float = 1.0
    injects: bool = True
    curve: tuple[tuple[float, float], ...] = (
        (0.92, 0.44),
        (0.98, 0.0),
        (1.02, 0.0),
        (1.08, -0.44),
    )
    response_s: float = 5.0
    active_first: bool = True


@dataclass(frozen=True)
class ReactiveMemory:
    """The curve's filtered answer, kvar, and its time, steady ms; None before the first."""

    kvar: float = 0.0
    at_ms: int | None = None


@dataclass(frozen=True)
class ReactiveInputs:
    """What reactive support looks at.

    Attributes:
        power_kw: active power of the station.
        voltage: at the connection, in parts of its rated value; NaN: not known.
        apparent_kva: circle of the converters that run, together.
    """

    power_kw: float
    voltage: float
    apparent_kva: float


def wanted_kvar(
    settings: ReactiveSettings, memory: ReactiveMemory, inputs: ReactiveInputs, now_ms: int
) -> tuple[float, ReactiveMemory]:
    """Return the reactive power that is asked for, before the circle."""
    match settings.mode:
        case ReactiveMode.OFF:
            return 0.0, ReactiveMemory()
        case ReactiveMode.FIXED:
            return settings.fixed_kvar, ReactiveMemory()
        case ReactiveMode.POWER_FACTOR:
            factor = min(1.0, max(0.1, settings.power_factor))
            kvar = abs(inputs.power_kw) * math.tan(math.acos(factor))
            return (kvar if settings.injects else -kvar), ReactiveMemory()
        case ReactiveMode.CURVE:
            return _along_curve(settings, memory, inputs, now_ms)


def _along_curve(
    settings: ReactiveSettings, memory: ReactiveMemory, inputs: ReactiveInputs, now_ms: int
) -> tuple[float, ReactiveMemory]:
    if not math.isfinite(inputs.voltage):
        return memory.kvar, ReactiveMemory(memory.kvar, now_ms)
    goal = interpolate(settings.curve, inputs.voltage) * inputs.apparent_kva
    if memory.at_ms is None or settings.response_s <= 0:
        return goal, ReactiveMemory(goal, now_ms)
    elapsed_s = max(0.0, (now_ms - memory.at_ms) / 1000.0)
    time_constant_s = settings.response_s / -math.log(1.0 - _RESPONSE_PART)
    kvar = goal + (memory.kvar - goal) * math.exp(-elapsed_s / time_constant_s)
    return kvar, ReactiveMemory(kvar, now_ms)


def interpolate(curve: Sequence[tuple[float, float]], x: float) -> float:
    """Return a curve's value; beyond its ends it stays level."""
    if x <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return curve[-1][1]


def bound_active(settings: ReactiveSettings, kvar: float, apparent_kva: float) -> Proposal | None:
    """Return the bound of active power when reactive power has priority in the circle."""
    if settings.active_first or not kvar:
        return None
    reactive = min(abs(kvar), apparent_kva)
    room_kw = math.sqrt(max(0.0, apparent_kva**2 - reactive**2))
    return Proposal(
        Source.VOLTAGE_SUPPORT,
        settings.mode.value,
        low_kw=-room_kw,
        high_kw=room_kw,
        reason=LimitReason.PCS_RATING,
    )


def split_reactive(
    kvar: float, powers: Mapping[str, float], apparent_kva: Mapping[str, float]
) -> dict[str, float]:
    """Divide reactive power by the room that active power leaves in each converter's circle.

    Args:
        kvar: what the station should give; what no circle has room for is left out.
        powers: active power of each converter, kW.
        apparent_kva: circle of each converter that runs.
    """
    rooms = {
        tag: math.sqrt(max(0.0, kva**2 - powers.get(tag, 0.0) ** 2))
        for tag, kva in apparent_kva.items()
    }
    total = math.fsum(rooms.values())
    if not total:
        return dict.fromkeys(rooms, 0.0)
    part = max(-1.0, min(1.0, kvar / total))
    return {tag: part * room for tag, room in rooms.items()}
