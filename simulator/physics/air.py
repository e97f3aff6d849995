"""The air of the containers: gas that cells give off, diluted by ventilation.

A container's free air is one well-mixed volume. Forced ventilation and the leaks of the
enclosure exchange it; gas of the cells displaces nothing, for it is a small part of the whole.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulator.physics.tables import SECONDS_PER_HOUR, Floats

_PPM = 1e6


class VentilationState(IntEnum):
    """State of a container's ventilation."""

    OFF = 0
    RUNNING = 1
    FAULT = 2


@dataclass(frozen=True)
class AirParameters:
    """A 20-foot container: 33 m3 inside, of which cells and steel leave 15 m3 of air.

    Twenty changes an hour is 5 m3/min, some 1 ft3/min for each square foot of floor, which
    NFPA 855 asks of exhaust ventilation; a closed container leaks half its air in an hour.
    """

    free_m3: float = 15.0
    forced_changes_per_h: float = 20.0
    leak_changes_per_h: float = 0.5
    fan_w: float = 1_200.0
    air_j_per_k: float = 30_000.0
    """The air and the sheet metal that warms with it within a minute."""
    smoke_per_s: float = 0.2
    """A smouldering source reaches the detector's level in five seconds..."""
    smoke_most: float = 20.0
    """... and the air cannot hold more than this."""
    heat_time_s: float = 180.0
    """The air's excess heat goes through walls and to the racks within some minutes."""


class ContainerAir:
    """Gas, excess heat and ventilation of all containers; arrays (containers,)."""

    def __init__(self, containers: int, parameters: AirParameters | None = None) -> None:
        self.parameters = parameters or AirParameters()
        self.hydrogen_ppm: Floats = np.zeros(containers)
        self.carbon_monoxide_ppm: Floats = np.zeros(containers)
        self.excess_k: Floats = np.zeros(containers)
        self.smoke: Floats = np.zeros(containers)
        """Density of smoke; 1 is where a detector answers."""
        self.ventilated: NDArray[np.bool_] = np.zeros(containers, dtype=np.bool_)
        self.fan_failed: NDArray[np.bool_] = np.zeros(containers, dtype=np.bool_)

    @property
    def running(self) -> NDArray[np.bool_]:
        """Whether each fan turns."""
        turning: NDArray[np.bool_] = self.ventilated & ~self.fan_failed
        return turning

    def power_w(self) -> Floats:
        """Electric power of the fans, W."""
        return np.where(self.running, self.parameters.fan_w, 0.0)

    def state(self, k: int) -> VentilationState:
        """State of the ventilation of container `k`."""
        if self.fan_failed[k]:
            return VentilationState.FAULT
        return VentilationState.RUNNING if self.ventilated[k] else VentilationState.OFF

    def advance(
        self, hydrogen_l: Floats, carbon_monoxide_l: Floats, heat_j: Floats, dt_s: float
    ) -> None:
        """Mix in what the cells gave off during a step and let fresh air in.

        Args:
            hydrogen_l: litres of hydrogen released in each container, (containers,).
            carbon_monoxide_l: litres of carbon monoxide, (containers,).
            heat_j: heat that hot gas brought into the air, J, (containers,).
            dt_s: length of the step.
        """
        p = self.parameters
        changes = p.leak_changes_per_h + np.where(self.running, p.forced_changes_per_h, 0.0)
        kept = np.exp(-changes * (dt_s / SECONDS_PER_HOUR))
        per_litre = _PPM / (p.free_m3 * 1e3)
        self.hydrogen_ppm = self.hydrogen_ppm * kept + hydrogen_l * per_litre
        self.carbon_monoxide_ppm = self.carbon_monoxide_ppm * kept + carbon_monoxide_l * per_litre
        self.smoke = self.smoke * kept
        cooled = kept * np.exp(-dt_s / p.heat_time_s)
        self.excess_k = self.excess_k * cooled + heat_j / p.air_j_per_k

    def add_smoke(self, sources: Floats, dt_s: float) -> None:
        """Let a number of sources in each container, (containers,), smoke during a step."""
        p = self.parameters
        self.smoke = np.minimum(self.smoke + p.smoke_per_s * dt_s * sources, p.smoke_most)
