"""How cells lose capacity and gain resistance, by the calendar and by cycling.

Laws and numbers: Naumann et al. 2018 (J. Energy Storage 17, 153-169, calendar) and 2020 (J. Power
Sources 451, 227666, cycling) for a Sony/Murata US26650 LFP cell, as tabled in simses (BSD-3).
Losses by square roots are moved on by virtual time, so that stress may change on the way.
"""

from dataclasses import dataclass, replace

import numpy as np

from cell_lab.simulate.cells import Cells, Values
from cell_lab.simulate.run import Trace

_GAS = 8.314462618
_REFERENCE_K, _KELVIN = 298.15, 273.15
_STILL_C = 0.01
"""A cell whose current is below this C-rate rests."""


@dataclass(frozen=True)
class Law:
    """Of one quantity: rate at 25 deg C, activation in J/mol, and shares by SOC, rate and depth."""

    rate: float
    activation_j: float
    by_soc: tuple[float, float]
    by_c_rate: tuple[float, float]
    by_depth: tuple[float, float]


CAPACITY = Law(1.2571e-5, 17126.0, (2.8575, 0.60225), (0.063, 0.0971), (4.0253, 1.0923))
RESISTANCE = Law(3.4194e-10, 71827.0, (-3.3903, 1.5604), (-0.002, 0.0021), (6.8477, 0.9182))


@dataclass(frozen=True)
class Wear:
    """What each cell has lost and gained, shares of the fresh cell, shape (cells,) each.

    Attributes:
        calendar_loss, cycle_loss: of capacity; calendar_growth, cycle_growth: of resistance.
        full_cycles: equivalent, charge and discharge of the fresh capacity.
        pace: how fast the cell ages beside the law; 1 is as the law says.
    """

    calendar_loss: Values
    cycle_loss: Values
    calendar_growth: Values
    cycle_growth: Values
    full_cycles: Values
    pace: Values

    @property
    def soh(self) -> Values:
        """Capacity as a share of the fresh one."""
        soh: Values = 1 - self.calendar_loss - self.cycle_loss
        return soh

    @property
    def resistance_ratio(self) -> Values:
        """Resistance as a multiple of the fresh one."""
        ratio: Values = 1 + self.calendar_growth + self.cycle_growth
        return ratio


@dataclass(frozen=True)
class Stress:
    """What a stretch of time does to cells, shape (cells,) each.

    Attributes:
        temperature_c, soc: means; c_rate: mean while current flows; depth: of a cycle, 0..1.
        full_cycles_per_day: equivalent.
    """

    temperature_c: Values
    soc: Values
    c_rate: Values
    depth: Values
    full_cycles_per_day: Values


def fresh(cells: int, seed: int, pace_sd: float = 0.1) -> Wear:
    """Return cells that have lost nothing, and differ in how fast they will."""
    pace = np.exp(np.random.default_rng(seed).normal(0, pace_sd, cells))
    zero = np.zeros(cells)
    return Wear(zero, zero, zero, zero, zero, pace)


def stress_of(trace: Trace, capacity_ah: Values) -> Stress:
    """Return what a run does to its cells: a run of a typical day, or of a week.

    Depth is that of the mean half cycle: what is moved in all, over the number of turns.
    """
    rate = np.abs(trace.current_a) / capacity_ah
    flows = rate > _STILL_C
    moved = np.abs(np.diff(trace.soc, axis=0)).sum(axis=0)
    days = len(trace.soc) * trace.elapsed_s / 86_400
    swing = np.ptp(trace.soc, axis=0)
    return Stress(
        temperature_c=trace.core_c.mean(axis=0, dtype=np.float64),
        soc=np.clip(trace.soc.mean(axis=0, dtype=np.float64), 0, 1),
        c_rate=(rate * flows).sum(axis=0) / np.maximum(flows.sum(axis=0), 1),
        depth=np.clip(swing, 0, 1).astype(np.float64),
        full_cycles_per_day=(moved / 2 / days).astype(np.float64),
    )


def age(wear: Wear, stress: Stress, days: float) -> Wear:
    """Return the wear after so many days under a stress."""
    seconds, cycles = days * 86_400, days * stress.full_cycles_per_day
    capacity = _calendar(CAPACITY, stress, 3) * wear.pace
    growth = _calendar(RESISTANCE, stress, 2) * wear.pace
    per_root_cycle = _cycling(CAPACITY, stress, 0.6) * wear.pace
    per_cycle = np.maximum(_cycling(RESISTANCE, stress, 0.5), 0) * wear.pace
    return replace(
        wear,
        calendar_loss=np.sqrt(wear.calendar_loss**2 + capacity**2 * seconds),
        cycle_loss=np.sqrt(wear.cycle_loss**2 + per_root_cycle**2 * cycles),
        calendar_growth=wear.calendar_growth + growth * seconds,
        cycle_growth=wear.cycle_growth + per_cycle * cycles,
        full_cycles=wear.full_cycles + cycles,
    )


def worn(cells: Cells, wear: Wear) -> Cells:
    """Return the cells with what they have lost and gained."""
    return replace(
        cells,
        capacity_ah=cells.capacity_ah * wear.soh,
        resistance=cells.resistance * wear.resistance_ratio[:, None],
    )


def _calendar(law: Law, stress: Stress, power: int) -> Values:
    """Return the loss after one second (to the law's own power of time)."""
    kelvin = stress.temperature_c + _KELVIN
    arrhenius = np.exp(-law.activation_j / _GAS * (1 / kelvin - 1 / _REFERENCE_K))
    bend, level = law.by_soc
    by_soc: Values = law.rate * arrhenius * (bend * (stress.soc - 0.5) ** power + level)
    return by_soc


def _cycling(law: Law, stress: Stress, middle: float) -> Values:
    """Return the loss after one equivalent full cycle (to the law's own power of cycles)."""
    slope, start = law.by_c_rate
    bend, level = law.by_depth
    by_depth = bend * (stress.depth - middle) ** 3 + level
    loss: Values = (slope * stress.c_rate + start) * by_depth / 100
    return loss
