"""Liquid chillers, one a container: hold the coolant supply at its set-point and draw power."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulator.physics.tables import Floats

ALARM_SUPPLY_TEMPERATURE = 1 << 0
ALARM_LOW_FLOW = 1 << 1
ALARM_COMPRESSOR = 1 << 3


class ChillerState(IntEnum):
    """Operating state."""

    OFF = 0
    RUNNING = 1
    FAULT = 2


@dataclass(frozen=True)
class ChillerParameters:
    """A 60 kW unit for a 5 MWh container; the loop holds some 300 l.

    The coefficient of performance falls with ambient temperature like that of air-cooled
    screw and scroll units: about 3.4 at 25 deg C and 0.05 less for each kelvin.
    """

    cooling_w: float = 60_000.0
    gain_w_per_k: float = 40_000.0
    loop_j_per_k: float = 1.1e6
    cop_at_25c: float = 3.4
    cop_per_k: float = -0.05
    pump_w: float = 1_500.0
    control_w: float = 300.0
    high_supply_c: float = 35.0
    setpoint_range_c: tuple[float, float] = (15.0, 30.0)


class ChillerBank:
    """All chillers; arrays of shape (containers,)."""

    def __init__(self, containers: int, parameters: ChillerParameters | None = None) -> None:
        self.parameters = parameters or ChillerParameters()
        self.setpoint_c: Floats = np.full(containers, 20.0)
        self.supply_c: Floats = np.full(containers, 21.0)
        self.return_c: Floats = np.full(containers, 21.0)
        self.power_w: Floats = np.zeros(containers)
        self.faulted = np.zeros(containers, dtype=np.bool_)
        self.pump_failed = np.zeros(containers, dtype=np.bool_)
        self.enabled = np.ones(containers, dtype=np.bool_)

    @property
    def flowing(self) -> NDArray[np.bool_]:
        """Whether coolant flows: the unit is switched on and healthy, (containers,)."""
        flowing: NDArray[np.bool_] = self.enabled & ~self.faulted & ~self.pump_failed
        return flowing

    def advance(self, heat_w: Floats, loop_w_per_k: float, ambient_c: float, dt_s: float) -> Floats:
        """Take up the racks' heat (containers,) over a step; return the electric power in W.

        `loop_w_per_k` is the heat the container's flow carries per kelvin.
        """
        p = self.parameters
        running = self.flowing  # the compressor stops with the flow
        wanted = p.gain_w_per_k * (self.supply_c - self.setpoint_c)
        cooling = np.where(running, np.clip(wanted, 0.0, p.cooling_w), 0.0)
        self.supply_c = self.supply_c + (heat_w - cooling) * (dt_s / p.loop_j_per_k)
        self.return_c = self.supply_c + heat_w / loop_w_per_k
        cop = max(1.5, p.cop_at_25c + p.cop_per_k * (ambient_c - 25.0))
        self.power_w = p.control_w + np.where(running, p.pump_w + cooling / cop, 0.0)
        return self.power_w

    def state(self, k: int) -> ChillerState:
        """State of chiller `k`."""
        if self.faulted[k]:
            return ChillerState.FAULT
        return ChillerState.RUNNING if self.enabled[k] else ChillerState.OFF

    def alarms(self, k: int) -> int:
        """Alarm bits of chiller `k`."""
        bits = ALARM_SUPPLY_TEMPERATURE if self.supply_c[k] > self.parameters.high_supply_c else 0
        if self.faulted[k]:
            bits |= ALARM_LOW_FLOW | ALARM_COMPRESSOR
        if self.pump_failed[k] and self.enabled[k]:
            bits |= ALARM_LOW_FLOW
        return bits

    def set_setpoint(self, k: int, value_c: float) -> bool:
        """Set the supply set-point of chiller `k`; False when out of range."""
        low, high = self.parameters.setpoint_range_c
        if not low <= value_c <= high:
            return False
        self.setpoint_c[k] = value_c
        return True
