"""The cells: open-circuit voltage behind a resistance and two relaxations (R0 + 2 RC).

All cells of all racks are one array of shape (racks, cells). Discharge current is positive.
Within a step the current is constant, and the relaxations are advanced by their exact
solution, so a step may be long; the voltage handed out is the mean over the step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.physics.abuse import NO_LEAK, Leak
from simulator.physics.tables import KELVIN, SECONDS_PER_HOUR, CellTables, Floats

_REFRESH_RESISTANCE_S = 10.0
"""SOC and temperature move too little in ten seconds to move the resistance by 0.1 %."""


@dataclass(frozen=True)
class Equivalent:
    """What the DC bus sees of each rack over a step: shape (racks,) each."""

    emf_v: Floats
    resistance_ohm: Floats


class CellBank:
    """State of all cells: SOC, two relaxation voltages; the temperature belongs to `thermal`."""

    def __init__(
        self,
        tables: CellTables,
        racks: int,
        cells: int,
        start_soc: float,
        rng: np.random.Generator,
    ) -> None:
        p = tables.parameters
        shape = (racks, cells)
        self._tables = tables
        rack_part = 1 + p.rack_capacity_spread * rng.standard_normal((racks, 1))
        cell_part = 1 + p.capacity_spread * rng.standard_normal(shape)
        self.capacity_ah: Floats = p.capacity_ah * rack_part * cell_part
        self.resistance_factor: Floats = np.exp(p.resistance_spread * rng.standard_normal(shape))
        spread = p.start_soc_spread * min(1.0, 10 * start_soc, 10 * (1 - start_soc))
        self.soc: Floats = np.clip(start_soc + spread * rng.standard_normal(shape), 0.0, 1.0)
        self._relaxation = [np.zeros(shape), np.zeros(shape)]
        self._charge_ohm: Floats = np.zeros(shape)
        self._discharge_ohm: Floats = np.zeros(shape)
        self._resistance_age_s = np.inf
        self.leak: Leak = NO_LEAK
        """Currents inside cells that no meter sees, over the next step."""
        self.alive: NDArray[np.bool_] = np.ones(shape, dtype=np.bool_)
        self._faded_v: dict[tuple[int, int], tuple[float, float]] = {}

    def fade(self, rack: int, cell: int, part: float) -> float:
        """Leave a dying cell `part` of its voltage; from the first call on it stores nothing.

        Returns:
            The energy in J that it had stored and stores no more: its reactions make heat of it.
        """
        at = (rack, cell)
        if at in self._faded_v:
            whole, _ = self._faded_v[at]
            self._faded_v[at] = (whole, whole * part)
            return 0.0
        before = self.stored_energy_j()
        whole = float(self._ocv[at])
        self._faded_v[at] = (whole, whole * part)
        self.alive[at] = False
        return before - self.stored_energy_j()

    def prepare(self, temperature_c: Floats, charging: Floats, dt_s: float) -> Equivalent:
        """Reduce each rack's cells to a source and a resistance, valid over the next step.

        Args:
            temperature_c: cell temperatures, (racks, cells).
            charging: whether each rack is being charged, (racks,) of booleans as 0/1.
            dt_s: length of the step in seconds.
        """
        p = self._tables.parameters
        self._refresh_resistance(temperature_c, dt_s)
        self._dt_s = dt_s
        self._total_ohm = np.where(charging[:, None] > 0, self._charge_ohm, self._discharge_ohm)
        self._ocv, slope, self._entropy = self._tables.open_circuit(self.soc, temperature_c)
        self._half_slope = slope * (0.5 * dt_s / SECONDS_PER_HOUR) / self.capacity_ah
        share = p.ohmic_share
        emf = self._ocv.copy()
        for state, part, tau in zip(
            self._relaxation, p.relaxation_share, p.relaxation_time_s, strict=True
        ):
            kept = _mean_decay(dt_s / tau)
            emf -= kept * state
            share += part * (1 - kept)
        self._emf = emf
        self._inner = share * self._total_ohm + self._half_slope
        if self._faded_v or self.leak.amps.size:
            self._put_abused()
        return Equivalent(emf.sum(axis=1), self._inner.sum(axis=1))

    def _put_abused(self) -> None:
        """A dead cell is what is left of its voltage; a leak drops voltage in its own cell."""
        for at, (_, left) in self._faded_v.items():
            self._emf[at] = self._ocv[at] = left
            self._inner[at] = self._half_slope[at] = self._entropy[at] = 0.0
        rows, columns, amps = self.leak
        np.add.at(self._emf, (rows, columns), -amps * self._inner[rows, columns])

    def advance(
        self, current_a: Floats, temperature_c: Floats, ripple_a2: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Carry the mean rack currents (racks,) through the prepared step.

        Args:
            current_a: mean current of each rack over the step, (racks,).
            temperature_c: cell temperatures, (racks, cells).
            ripple_a2: variance of each rack's current within the step, (racks,); it heats the
                cells beyond what the mean does. None: the current was constant.

        Returns:
            Mean cell voltage over the step (V) and heat generated (W), each (racks, cells).
            Heat is the overpotential times current plus the reversible part -I T dU/dT
            (Bernardi, Pawlikowski and Newman 1985), and what a leak turns into heat.
        """
        p = self._tables.parameters
        voltage = self._emf - current_a[:, None] * self._inner
        current = self._inner_current(current_a)
        mean_ocv = self._ocv - current * self._half_slope
        heat = current * (mean_ocv - voltage - (temperature_c + KELVIN) * self._entropy)
        if ripple_a2 is not None:
            heat += ripple_a2[:, None] * self._inner
        rows, columns, amps = self.leak
        np.add.at(heat, (rows, columns), amps * voltage[rows, columns])
        for k, (part, tau) in enumerate(zip(p.relaxation_share, p.relaxation_time_s, strict=True)):
            decay = np.exp(-self._dt_s / tau)
            self._relaxation[k] *= decay
            self._relaxation[k] += ((1 - decay) * part) * self._total_ohm * current
        self.soc -= current * (self._dt_s / SECONDS_PER_HOUR) / self.capacity_ah
        return voltage, heat

    def stored_energy_j(self) -> float:
        """Energy stored in all cells above SOC 0, in joules: a function of the state alone."""
        energy_wh = self._tables.stored_vh(self.soc) * self.capacity_ah * self.alive
        return float(energy_wh.sum()) * SECONDS_PER_HOUR

    def rack_soc(self) -> Floats:
        """Mean SOC of each rack's cells, (racks,)."""
        mean: Floats = self.soc.mean(axis=1)
        return mean

    def faded_power_w(self, current_a: Floats) -> float:
        """Power in W of dead cells while their voltage falls, at rack currents (racks,)."""
        return sum(left * float(current_a[at[0]]) for at, (_, left) in self._faded_v.items())

    def _inner_current(self, current_a: Floats) -> Floats:
        """Current through the electrodes of each cell, (racks, cells) or (racks, 1)."""
        if not self._faded_v and not self.leak.amps.size:
            return current_a[:, None]
        current = np.where(self.alive, current_a[:, None], 0.0)
        rows, columns, amps = self.leak
        np.add.at(current, (rows, columns), amps)
        return current

    def _refresh_resistance(self, temperature_c: Floats, dt_s: float) -> None:
        self._resistance_age_s += dt_s
        if self._resistance_age_s < _REFRESH_RESISTANCE_S:
            return
        self._resistance_age_s = 0.0
        charge, discharge = self._tables.resistance(self.soc, temperature_c)
        self._charge_ohm = charge * self.resistance_factor
        self._discharge_ohm = discharge * self.resistance_factor


def _mean_decay(steps: float) -> float:
    """Mean of exp(-t/tau) over a step of `steps` time constants."""
    return float(-np.expm1(-steps) / steps)
