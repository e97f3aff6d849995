"""What drives a cell out of its bounds: an internal short, and overcharge.

Both are currents inside the cell that no meter sees. A short takes charge at the cell's own
voltage and turns it into heat. Above full charge the electrodes take no more lithium: charging
current goes into side reactions instead, which heat the cell and make gas; the plated lithium
reacts with the electrolyte and adds its own heat.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.physics.tables import Floats

Indices = NDArray[np.intp]

_FIRST_OHM = 1.0
"""A soft short of this resistance takes 3 A: a hundredth of a C, which nothing shows yet."""
_FARADAY_AS_PER_MOL = 96_485.0
_MOLAR_L = 24.5
"""Litres of a mole of gas at 25 deg C."""


class Leak(NamedTuple):
    """Currents inside cells: rows and columns of (racks, cells), and amperes."""

    rows: Indices
    columns: Indices
    amps: Floats


NO_LEAK = Leak(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))


@dataclass
class InternalShort:
    """A short whose resistance falls by the same factor every second of `ramp_s`."""

    rack: int
    cell: int
    final_ohm: float
    ramp_s: float = 0.0
    age_s: float = 0.0

    def resistance_ohm(self) -> float:
        """The resistance now."""
        part = min(self.age_s / self.ramp_s, 1.0) if self.ramp_s else 1.0
        return _FIRST_OHM * float((self.final_ohm / _FIRST_OHM) ** part)


@dataclass(frozen=True)
class OverchargeParameters:
    """Course of an overcharge.

    The open-circuit table, extended with its last slope, gives 4.8 V at 2 % above full: the
    plateau at which LFP cells are overcharged (some 5 V). `chemical_part` is set so that at half
    a C hydrogen is released about 640 s before runaway heats its surroundings into smoke, as in
    the pack of Joule 2020 (hydrogen 639 s before smoke). Two electrons make one molecule of gas.
    """

    all_side_at: float = 0.02
    chemical_part: float = 0.75
    valve_opens_l: float = 1.5


@dataclass
class Abuse:
    """Shorts and overcharge of all cells."""

    shorts: list[InternalShort] = field(default_factory=list)
    overcharge: OverchargeParameters = field(default_factory=OverchargeParameters)
    side_gas_l: dict[tuple[int, int], float] = field(default_factory=dict)
    """Gas that side reactions have made in each cell since it was first overcharged."""
    _side: Leak = NO_LEAK

    def leak(
        self,
        soc: Floats,
        voltage_v: Floats,
        current_a: Floats,
        alive: NDArray[np.bool_],
        dt_s: float,
    ) -> Leak:
        """Currents inside the cells over the next step.

        Args:
            soc: of the cells, (racks, cells).
            voltage_v: cell voltages of the last step, (racks, cells).
            current_a: rack currents of the last step, (racks,).
            alive: cells that still hold a voltage, (racks, cells).
            dt_s: length of the step.
        """
        self._side = self._side_reaction(soc, current_a, alive)
        standing = [s for s in self.shorts if alive[s.rack, s.cell]]
        for short in standing:
            short.age_s += dt_s
        if not standing:
            return self._side
        rows = np.array([s.rack for s in standing], np.intp)
        columns = np.array([s.cell for s in standing], np.intp)
        ohm = np.array([s.resistance_ohm() for s in standing])
        amps = np.maximum(voltage_v[rows, columns], 0.0) / ohm
        return Leak(
            np.concatenate((rows, self._side.rows)),
            np.concatenate((columns, self._side.columns)),
            np.concatenate((amps, self._side.amps)),
        )

    def chemical_heat(self, voltage_v: Floats, heat_w: Floats) -> float:
        """Add the heat of plated lithium to `heat_w` (racks, cells); return its sum in W."""
        rows, columns, amps = self._side
        if not amps.size:
            return 0.0
        extra = self.overcharge.chemical_part * amps * voltage_v[rows, columns]
        np.add.at(heat_w, (rows, columns), extra)
        return float(extra.sum())

    def vented_l(self, dt_s: float) -> list[tuple[int, int, float, bool]]:
        """Gas let out in the step: rack, cell, litres, and whether the valve opened just now."""
        out = []
        limit = self.overcharge.valve_opens_l
        for rack, cell, amps in zip(*self._side, strict=True):
            at = (int(rack), int(cell))
            before = self.side_gas_l.get(at, 0.0)
            made = float(amps) * dt_s / (2 * _FARADAY_AS_PER_MOL) * _MOLAR_L
            self.side_gas_l[at] = before + made
            if before >= limit:
                out.append((*at, made, False))
            elif before + made >= limit:
                out.append((*at, before + made, True))
        return out

    def _side_reaction(self, soc: Floats, current_a: Floats, alive: NDArray[np.bool_]) -> Leak:
        if float(soc.max()) <= 1.0:
            return NO_LEAK
        charging = np.maximum(-current_a, 0.0)
        rows, columns = np.nonzero((soc > 1.0) & alive & (charging > 0)[:, None])
        share = np.minimum((soc[rows, columns] - 1.0) / self.overcharge.all_side_at, 1.0)
        return Leak(rows, columns, share * charging[rows])
