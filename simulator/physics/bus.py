"""The DC bus: racks in parallel share the converter's power by their voltage and resistance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.physics.tables import Floats

_TRANSFER_MARGIN = 0.95
"""Part of the theoretical power maximum at which a real source has long collapsed."""


@dataclass(frozen=True)
class BusState:
    """Voltage (containers,), rack currents (containers, racks), power drawn (containers,)."""

    voltage_v: Floats
    current_a: Floats
    power_w: Floats


def solve_bus(
    emf_v: Floats, resistance_ohm: Floats, closed: NDArray[np.bool_], power_w: Floats
) -> BusState:
    """Solve each container's bus for a wanted power (discharge positive).

    With rack currents I_k = (E_k - V) / R_k and V * sum(I_k) = P follows the quadratic
    G V^2 - J V + P = 0 with G = sum(1/R_k), J = sum(E_k/R_k); the upper root is the stable one.
    A power beyond the maximum J^2/4G is cut; a bus with no rack closed carries none.

    Args:
        emf_v: rack source voltages, (containers, racks).
        resistance_ohm: rack resistances with wiring, (containers, racks).
        closed: racks whose contactors are closed, (containers, racks).
        power_w: wanted DC power, (containers,).
    """
    conductance = np.where(closed, 1.0 / resistance_ohm, 0.0)
    g = conductance.sum(axis=1)
    j = (conductance * emf_v).sum(axis=1)
    live = g > 0
    g_safe = np.where(live, g, 1.0)
    power = np.where(live, np.minimum(power_w, _TRANSFER_MARGIN * j * j / (4 * g_safe)), 0.0)
    voltage = np.where(live, (j + np.sqrt(j * j - 4 * g * power)) / (2 * g_safe), 0.0)
    current = np.where(closed, (emf_v - voltage[:, None]) * conductance, 0.0)
    return BusState(voltage, current, power)
