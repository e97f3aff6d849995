"""Which samples are believed: numbers that are none, and voltages that stand still, are not.

A measuring chip that hangs repeats its last value for good. A living voltage follows the current:
a cell's resistance times its capacity is 30 to 100 mohm Ah, so half the capacity per hour moves
it by 15 mV and more, three steps of the coarsest sensor. A voltage that has not moved by a bit
while the current covered that range is not believed until it moves again. At rest, where a
voltage may well stand still, the current covers no such range.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.cell_model import Floats
from station.estimators.samples import Halves, Indices, Samples

_RANGE_C_RATE = 0.5
_UNKNOWN_C = 25.0
"""Taken for the temperature of a cell that has never told one."""


@dataclass(frozen=True)
class ScreenState:
    """What is remembered of the samples believed last.

    Attributes:
        voltage_v: NaN before the first, shape (cells,).
        temperature_c: shape (cells,).
        least_a, most_a: current since the voltage moved, shape (cells,).

    Half precision is enough where a thousandth of the value decides nothing.
    """

    voltage_v: Floats
    temperature_c: Halves
    least_a: Halves
    most_a: Halves

    @property
    def known_c(self) -> Floats:
        """Temperatures in single precision, to reckon with."""
        return self.temperature_c.astype(np.float32)


def nothing_seen(cells: int) -> ScreenState:
    """Return the state before the first samples."""
    return ScreenState(
        voltage_v=np.full(cells, np.nan, np.float32),
        temperature_c=np.full(cells, _UNKNOWN_C, np.float16),
        least_a=np.zeros(cells, np.float16),
        most_a=np.zeros(cells, np.float16),
    )


def screen(
    state: ScreenState, samples: Samples, rack: Indices, capacity_ah: Floats
) -> tuple[ScreenState, Samples]:
    """Return the samples with numbers throughout and what is not believed marked.

    Args:
        state: after the samples before.
        samples: of the moment; what is marked as not good may be any number or none.
        rack: of each cell, shape (cells,).
        capacity_ah: of each cell, shape (cells,).
    """
    current_good = samples.current_good & np.isfinite(samples.current_a)
    current_a = np.where(current_good, samples.current_a, 0).astype(np.float32)
    good = samples.voltage_good & np.isfinite(samples.voltage_v)
    good &= np.isfinite(samples.temperature_c)
    temperature_c = np.where(good, samples.temperature_c, state.known_c)

    cell_a = current_a[rack]
    heard = good & current_good[rack]
    same = heard & (samples.voltage_v == state.voltage_v)
    moved = heard & ~same
    least_a = np.where(
        moved, cell_a, np.where(same, np.minimum(state.least_a, cell_a), state.least_a)
    )
    most_a = np.where(moved, cell_a, np.where(same, np.maximum(state.most_a, cell_a), state.most_a))
    frozen = most_a - least_a >= _RANGE_C_RATE * capacity_ah
    after = ScreenState(
        voltage_v=np.where(heard, samples.voltage_v, state.voltage_v),
        temperature_c=temperature_c.astype(np.float16),
        least_a=least_a.astype(np.float16),
        most_a=most_a.astype(np.float16),
    )
    believed = replace(
        samples,
        current_a=current_a,
        mean_a=None if samples.mean_a is None else np.where(current_good, samples.mean_a, 0),
        current_good=current_good,
        voltage_v=np.where(good, samples.voltage_v, 0).astype(np.float32),
        temperature_c=temperature_c,
        voltage_good=good & ~frozen,
    )
    return after, believed
