"""Heat: every cell is one thermal mass between its neighbours, a cold plate and the container.

Cells stand in packs; the coolant of a rack flows through its packs in parallel and warms along
each pack, so the last cells of a pack run warmest. The container's air is at ambient temperature.
"""

from dataclasses import dataclass

import numpy as np

from simulator.physics.tables import Floats

COOLANT_HEAT_J_PER_KG_K = 3400.0
"""Water with 50 % glycol at 20 deg C."""
COOLANT_KG_PER_L = 1.07


@dataclass(frozen=True)
class ThermalParameters:
    """Conductances in W/K per cell; flow per rack in l/min.

    A 280 Ah cell on a cold plate runs 5 to 6 K above its coolant at half a C (8 W), hence
    1.5 W/K; neighbours touch through insulating pads.
    """

    plate_w_per_k: float = 1.5
    neighbour_w_per_k: float = 0.4
    ambient_w_per_k: float = 0.03
    flow_l_per_min: float = 40.0
    pack_cells: int = 52


@dataclass(frozen=True)
class HeatStep:
    """Heat carried off during a step, (racks,) W: by the coolant, and to the container."""

    to_coolant_w: Floats
    to_ambient_w: Floats


class ThermalModel:
    """Temperatures of all cells, (racks, cells)."""

    def __init__(
        self,
        racks: int,
        cells: int,
        *,
        heat_capacity_j_per_k: float,
        start_c: float,
        rng: np.random.Generator,
        parameters: ThermalParameters | None = None,
    ) -> None:
        self.parameters = parameters or ThermalParameters()
        self._capacity = heat_capacity_j_per_k
        self.temperature_c: Floats = start_c + 0.2 * rng.standard_normal((racks, cells))
        pack = min(self.parameters.pack_cells, cells)
        self._along = (np.arange(cells) % pack + 0.5) / pack
        self._coolant_rise_k: Floats = np.zeros(racks)

    def coolant_capacity_w_per_k(self) -> float:
        """Heat that the flow of one rack carries per kelvin."""
        litres_per_s = self.parameters.flow_l_per_min / 60.0
        return litres_per_s * COOLANT_KG_PER_L * COOLANT_HEAT_J_PER_KG_K

    def advance(
        self, heat_w: Floats, supply_c: Floats, ambient_c: float, flowing: Floats, dt_s: float
    ) -> HeatStep:
        """Advance one step.

        Args:
            heat_w: heat generated in each cell, (racks, cells).
            supply_c: coolant supply temperature of each rack, (racks,).
            ambient_c: temperature around the racks.
            flowing: 1 where coolant flows, 0 where it stands, (racks,).
            dt_s: length of the step.
        """
        p = self.parameters
        t = self.temperature_c
        coolant = supply_c[:, None] + self._coolant_rise_k[:, None] * self._along
        to_coolant = (p.plate_w_per_k * flowing)[:, None] * (t - coolant)
        to_ambient = p.ambient_w_per_k * (t - ambient_c)
        net = heat_w - to_coolant - to_ambient
        between = p.neighbour_w_per_k * (t[:, 1:] - t[:, :-1])
        net[:, :-1] += between
        net[:, 1:] -= between
        self.temperature_c = t + net * (dt_s / self._capacity)
        carried: Floats = to_coolant.sum(axis=1)
        self._coolant_rise_k = np.clip(carried / self.coolant_capacity_w_per_k(), -10.0, 30.0)
        return HeatStep(carried, to_ambient.sum(axis=1))

    def stored_heat_j(self) -> float:
        """Heat content of all cells above 0 deg C."""
        return float(self.temperature_c.sum()) * self._capacity
