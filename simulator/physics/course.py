"""The course of the rack currents over one step of the cells, which may be many of the converters.

Cells move slowly: they may be carried through a second at once, while converters and the bus
follow in small steps. Mean and variance of the currents are all that the cells need to know.
"""

import numpy as np

from simulator.physics.tables import Floats

SAME_S = 1e-9
"""Times that differ by less are one: sums of steps are only as good as floating point."""


class Course:
    """Rack currents since the cells were last advanced; arrays (racks,)."""

    def __init__(self, racks: int) -> None:
        self.planned_s = 0.0
        """How long the course shall be."""
        self.elapsed_s = 0.0
        self._steps = 0
        self._charge_as: Floats = np.zeros(racks)
        self._square_a2s: Floats = np.zeros(racks)

    @property
    def complete(self) -> bool:
        """Whether as much time has passed as was planned."""
        return self.elapsed_s > self.planned_s - SAME_S

    def add(self, current_a: Floats, dt_s: float) -> None:
        """Let currents (racks,) flow for a step."""
        charge = current_a * dt_s
        self._charge_as += charge
        self._square_a2s += charge * current_a
        self.elapsed_s += dt_s
        self._steps += 1

    def mean_a(self) -> Floats:
        """Mean current of each rack, A."""
        return self._charge_as / self.elapsed_s

    def ripple_a2(self) -> Floats | None:
        """Variance of each rack's current, A2; None after a single step."""
        if self._steps == 1:
            return None
        mean: Floats = self.mean_a()
        return np.maximum(self._square_a2s / self.elapsed_s - mean * mean, 0.0)

    def begin(self) -> None:
        """Forget the course and begin the next."""
        self.elapsed_s, self._steps = 0.0, 0
        self._charge_as[:] = 0.0
        self._square_a2s[:] = 0.0
