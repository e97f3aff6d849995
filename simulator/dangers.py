"""What goes wrong in containers and how their detectors see it.

Cells that are heated, shorted or overcharged; runaway; gas and smoke in the air; faults of
insulation; voltage sensors that stand still. The plant calls this once in every step.
"""

from dataclasses import dataclass

import numpy as np

from simulator.energy import EnergyAccount
from simulator.physics.abuse import Abuse
from simulator.physics.air import ContainerAir
from simulator.physics.bms import Flags
from simulator.physics.cells import CellBank
from simulator.physics.runaway import RunawayBank
from simulator.physics.safety import CARBON_MONOXIDE_CLEAN_PPM, FirePanel
from simulator.physics.tables import Floats

SWITCHGEAR_ROOM = -1
"""Stands for the switchgear room where a container is named by its index."""
_SMOKE_FROM_PPM = 1000.0
"""Where a scenario releases this much hydrogen there is smoke as well; see the alarm levels."""
_SMOKE_AFTER_GAS_S = 639.0
"""Smoke follows the first hydrogen of an overcharged LFP pack (Joule 2020)."""
_GAS_STILL_THERE_PPM = 20.0
_HEAT_DETECTOR_K = 10.0
"""A rate-of-rise detector (EN 54-5, class R): air this much above what it has settled at."""


@dataclass
class CellHeating:
    """A cell that a scenario heats from outside."""

    rack: int
    cell: int
    power_w: float


@dataclass
class Insulation:
    """Insulation resistance of one container's DC side to earth, in kilo-ohm."""

    positive_kohm: float = 2200.0
    negative_kohm: float = 2350.0


@dataclass(frozen=True)
class InsulationFault:
    """A fault to earth of the positive pole: on a container's bus, or on one rack's cable."""

    container: int
    kohm: float
    rack: int | None = None


class Dangers:
    """Dangers of all containers; `fires` and `insulation` are what their detectors show."""

    def __init__(self, cells: CellBank, runaway: RunawayBank, energy: EnergyAccount) -> None:
        containers = runaway.containers
        self.energy = energy
        self.abuse = Abuse()
        self.runaway = runaway
        self.air = ContainerAir(containers)
        self.fires = [FirePanel() for _ in range(containers)]
        self.room = FirePanel()
        self.insulation = [Insulation() for _ in range(containers)]
        self.heatings: list[CellHeating] = []
        self.insulation_faults: list[InsulationFault] = []
        self.released_ppm: dict[int, float] = {}
        """A scenario's hydrogen at the detectors, by container or `SWITCHGEAR_ROOM`."""
        self.stuck_v: dict[tuple[int, int], float] = {}
        """Cells whose voltage sensor stands still, by (rack, cell)."""
        self._cells = cells
        self._gas_since_s: Floats = np.full(containers, np.inf)
        self._elapsed_s = 0.0

    def sensed_v(self, voltage_v: Floats) -> Floats:
        """Cell voltages as their sensors give them, (racks, cells)."""
        if not self.stuck_v:
            return voltage_v
        sensed = voltage_v.copy()
        for at, stuck in self.stuck_v.items():
            sensed[at] = stuck
        return sensed

    def set_soc(self, rack: int, cell: int, soc: float) -> None:
        """Give a cell another SOC out of nothing."""
        before = self._cells.stored_energy_j()
        self._cells.soc[rack, cell] = soc
        self.energy.scenario_charge += self._cells.stored_energy_j() - before

    def leak(self, voltage_v: Floats, current_a: Floats, dt_s: float) -> None:
        """Tell the cells their inner currents over the next step."""
        cells = self._cells
        cells.leak = self.abuse.leak(cells.soc, voltage_v, current_a, cells.alive, dt_s)

    def heat(self, temperature_c: Floats, voltage_v: Floats, heat_w: Floats, dt_s: float) -> None:
        """Add the heat of dangers to `heat_w` (racks, cells) in place; let gas into the air."""
        for heating in self.heatings:
            heat_w[heating.rack, heating.cell] += heating.power_w
            self.energy.scenario_heat += heating.power_w * dt_s
        chemical_w = self.abuse.chemical_heat(voltage_v, heat_w)
        out = self.runaway.advance(temperature_c, self._cells.soc, heat_w, dt_s, self._fade)
        self.energy.reaction_heat += (chemical_w + out.heat_w) * dt_s
        gas_l = out.gas_l
        for rack, cell, litres, opened in self.abuse.vented_l(dt_s):
            gas_l[rack // self.runaway.racks_per_container] += litres
            if opened:
                self.runaway.moments.append(("valve_opens", rack, cell))
        p = self.runaway.parameters
        self.air.advance(p.hydrogen * gas_l, p.carbon_monoxide * gas_l, out.air_j, dt_s)
        self._smoke(out.burning, dt_s)

    def sense(self, conducting: Flags) -> None:
        """Bring the detectors up to date; `conducting` are the racks with closed contacts."""
        for k, panel in enumerate(self.fires):
            released = self.released_ppm.get(k, 0.0)
            panel.hydrogen_ppm = released + float(self.air.hydrogen_ppm[k])
            panel.carbon_monoxide_ppm = CARBON_MONOXIDE_CLEAN_PPM + float(
                self.air.carbon_monoxide_ppm[k]
            )
            panel.smoke = released > _SMOKE_FROM_PPM or bool(self.air.smoke[k] >= 1)
            panel.heat = bool(self.air.excess_k[k] >= _HEAT_DETECTOR_K)
        self.room.hydrogen_ppm = self.released_ppm.get(SWITCHGEAR_ROOM, 0.0)
        self.room.smoke = self.room.hydrogen_ppm > _SMOKE_FROM_PPM
        sound = Insulation()
        for k, monitor in enumerate(self.insulation):
            standing = [
                fault.kohm
                for fault in self.insulation_faults
                if fault.container == k and (fault.rack is None or conducting[fault.rack])
            ]
            monitor.positive_kohm = min([sound.positive_kohm, *standing])

    def _smoke(self, burning: Floats, dt_s: float) -> None:
        """Cells that burn smoke; a container with gas in its air for long enough does too."""
        self._elapsed_s += dt_s
        there = self.air.hydrogen_ppm > _GAS_STILL_THERE_PPM
        self._gas_since_s = np.where(there, np.minimum(self._gas_since_s, self._elapsed_s), np.inf)
        due = burning + (self._elapsed_s - self._gas_since_s >= _SMOKE_AFTER_GAS_S)
        self.air.add_smoke(due, dt_s)

    def _fade(self, rack: int, cell: int, part: float) -> None:
        self.energy.collapsed += self._cells.fade(rack, cell, part)
