"""Thermal runaway: a hot cell vents, its voltage falls, it burns and may take its neighbours.

A cell that reaches its venting temperature opens; while it stays hot it goes towards runaway at
a pace that depends on its SOC, and shortly before, its voltage falls to nothing. In runaway it
heats itself at its peak rate up to its peak temperature and holds that until its heat is spent.

Venting temperatures, times, peak rates and peak temperatures: Zeng 2026, heated 22 Ah prismatic
LFP cells (doi 10.19799/j.cnki.2095-4239.2026.0036). The heat of one cell is taken as its stored
energy, spread between its own warming and its neighbours. Swelling, flames and ejecta carry heat
to neighbours in the same pack far better than intact pads: the conductance of a first cell and of
the following ones is set so that the hops last 6 min and then about 8.4 min, as in a UL 9540A
report of an 8-cell block. Whether a hop happens is left to conduction: cells of low SOC, which
give less heat, do not spread.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from simulator.physics.tables import Floats

Fade = Callable[[int, int, float], None]
"""Tells the cell bank what part of its voltage a cell (rack, cell) keeps."""

_NOMINAL_V = 3.2
_J_PER_WH = 3600.0


class Stage(IntEnum):
    """How far a cell has come."""

    VENTING = 1
    RUNAWAY = 2
    SPENT = 3


@dataclass(frozen=True)
class RunawayParameters:
    """Tables over SOC, and the rules for heat and gas."""

    soc: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    vent_c: tuple[float, ...] = (125.0, 145.0, 139.0, 147.0, 145.0)
    pace_per_s: tuple[float, ...] = (0.0, 1 / 250, 1 / 179, 1 / 47, 1 / 21)
    """One over the time from venting to runaway; an empty cell vents without runaway."""
    voltage_fall_s: tuple[float, ...] = (78.0, 78.0, 35.0, 23.0, 4.0)
    peak_rate_k_per_s: tuple[float, ...] = (1.8, 1.8, 12.0, 17.6, 24.9)
    peak_c: tuple[float, ...] = (230.0, 230.0, 250.0, 283.0, 349.0)
    stays_hot_k: float = 15.0
    """Below its venting temperature by more than this, a vented cell goes no further."""
    venting_heat_k_per_s: float = 0.12
    """Self-heating between venting and runaway, as its own warming; less for empty cells."""
    holding_w_per_k: float = 3_000.0
    """How firmly a burning cell is held at its peak temperature."""
    heat_per_stored: float = 1.0
    first_w_per_k: float = 7.2
    next_w_per_k: float = 4.95
    gas_l_per_ah: float = 0.6
    """Assumed for a full cell (published values scatter from 0.3 to 1); a third of it empty."""
    hydrogen: float = 0.55
    """Part of hydrogen in the vent gas of a 280 Ah LFP cell (UL 9540A)."""
    carbon_monoxide: float = 0.10
    """Assumed: carbon dioxide and hydrocarbons make up most of the rest."""
    venting_gas_time_s: float = 120.0
    burning_gas_time_s: float = 15.0
    heat_into_air: float = 0.3
    """Heat that goes off with the gas, as a part of what stays in the cell (assumed)."""


@dataclass
class _Cell:
    rack: int
    cell: int
    soc: float
    per_k: float
    gas_l: float
    heat_j: float
    voltage_v: float = 0.0
    stage: Stage = Stage.VENTING
    progress: float = 0.0


@dataclass
class Release:
    """What cells gave off in a step, by container (containers,): litres, and joules into air."""

    gas_l: Floats
    air_j: Floats
    burning: Floats
    heat_w: float = 0.0


@dataclass
class RunawayBank:
    """The few cells that have vented; `racks_per_container` says whose air their gas is."""

    containers: int
    racks_per_container: int
    pack_cells: int
    heat_capacity_j_per_k: float
    capacity_ah: float
    parameters: RunawayParameters = field(default_factory=RunawayParameters)
    cells: dict[tuple[int, int], _Cell] = field(default_factory=dict)
    moments: list[tuple[str, int, int]] = field(default_factory=list)
    """What has happened and to which rack and cell, until someone takes it away."""

    def advance(
        self,
        temperature_c: Floats,
        soc: Floats,
        heat_w: Floats,
        dt_s: float,
        fade: Fade,
    ) -> Release:
        """Advance all cells that have vented, and see who vents now.

        Args:
            temperature_c: cell temperatures, (racks, cells).
            soc: of the cells, (racks, cells).
            heat_w: heat of the cells over the step; reaction and transfer are added in place.
            dt_s: length of the step.
            fade: tells the cell bank what part of its voltage a cell keeps.
        """
        nothing = np.zeros(self.containers)
        out = Release(nothing.copy(), nothing.copy(), nothing.copy())
        if float(temperature_c.max()) >= min(self.parameters.vent_c):
            self._see_who_vents(temperature_c, soc)
        for one in self.cells.values():
            k = one.rack // self.racks_per_container
            power = 0.0
            if one.stage is Stage.VENTING:
                power = self._venting(one, float(temperature_c[one.rack, one.cell]), dt_s, fade)
            elif one.stage is Stage.RUNAWAY:
                power = self._burning(one, float(temperature_c[one.rack, one.cell]), dt_s)
                out.burning[k] += 1
            heat_w[one.rack, one.cell] += power
            out.heat_w += power
            out.air_j[k] += self.parameters.heat_into_air * power * dt_s
            out.gas_l[k] += self._gas(one, dt_s)
        self._spread(temperature_c, heat_w)
        return out

    def _see_who_vents(self, temperature_c: Floats, soc: Floats) -> None:
        p = self.parameters
        for rack, cell in zip(*np.nonzero(temperature_c >= min(p.vent_c)), strict=True):
            at = (int(rack), int(cell))
            full = min(max(float(soc[at]), 0.0), 1.0)
            if at in self.cells or temperature_c[at] < self._at(full, p.vent_c):
                continue
            following = any(
                n in self.cells and self.cells[n].stage is not Stage.VENTING
                for n in self._neighbours(*at)
            )
            stored_j = self.capacity_ah * _NOMINAL_V * _J_PER_WH * full
            self.cells[at] = _Cell(
                *at,
                soc=full,
                per_k=p.next_w_per_k if following else p.first_w_per_k,
                gas_l=p.gas_l_per_ah * self.capacity_ah * (1 + 2 * full) / 3,
                heat_j=p.heat_per_stored * stored_j,
            )
            self.moments.append(("cell_vents", *at))

    def _venting(
        self,
        one: _Cell,
        temperature_c: float,
        dt_s: float,
        fade: Fade,
    ) -> float:
        """Go towards runaway while hot; return the power of the reaction in W."""
        p = self.parameters
        if temperature_c < self._at(one.soc, p.vent_c) - p.stays_hot_k:
            return 0.0
        pace = self._at(one.soc, p.pace_per_s)
        one.progress += pace * dt_s
        left_s = (1 - one.progress) / pace if pace else float("inf")
        fall_s = self._at(one.soc, p.voltage_fall_s)
        if left_s < fall_s:
            fade(one.rack, one.cell, max(left_s / fall_s, 0.0))
        if one.progress >= 1:
            one.stage = Stage.RUNAWAY
            self.moments.append(("cell_runaway", one.rack, one.cell))
        pushed = min(one.soc * 4, 1.0) * p.venting_heat_k_per_s
        return pushed * self.heat_capacity_j_per_k

    def _burning(self, one: _Cell, temperature_c: float, dt_s: float) -> float:
        """Burn what is left; return the power in W."""
        p = self.parameters
        wanted = p.holding_w_per_k * (self._at(one.soc, p.peak_c) - temperature_c)
        most = self._at(one.soc, p.peak_rate_k_per_s) * self.heat_capacity_j_per_k
        power = min(max(wanted, 0.0), most, one.heat_j / dt_s)
        one.heat_j -= power * dt_s
        if one.heat_j <= 0:
            one.stage = Stage.SPENT
            self.moments.append(("cell_spent", one.rack, one.cell))
        return power

    def _gas(self, one: _Cell, dt_s: float) -> float:
        """Litres let out in the step."""
        p = self.parameters
        venting = one.stage is Stage.VENTING
        time_s = p.venting_gas_time_s if venting else p.burning_gas_time_s
        out = one.gas_l * -float(np.expm1(-dt_s / time_s))
        one.gas_l -= out
        return out

    def _spread(self, temperature_c: Floats, heat_w: Floats) -> None:
        """Carry heat between burnt cells and their neighbours, on top of plain conduction."""
        for at, one in self.cells.items():
            if one.stage is Stage.VENTING:
                continue
            for other in self._neighbours(*at):
                burnt = self.cells.get(other)
                if burnt is not None and burnt.stage is not Stage.VENTING and other < at:
                    continue
                carried = one.per_k * float(temperature_c[at] - temperature_c[other])
                heat_w[at] -= carried
                heat_w[other] += carried

    def _neighbours(self, rack: int, cell: int) -> Iterator[tuple[int, int]]:
        """Cells beside a cell in the same pack."""
        place = cell % self.pack_cells
        if place > 0:
            yield rack, cell - 1
        if place < self.pack_cells - 1:
            yield rack, cell + 1

    def _at(self, soc: float, table: tuple[float, ...]) -> float:
        return float(np.interp(soc, self.parameters.soc, table))
