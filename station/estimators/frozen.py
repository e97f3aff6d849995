"""Voltages that stand still: a measuring chip that hangs repeats its last value for good.

A living voltage follows the current. When a voltage has not moved by a bit while the current has
moved, forth and back, by three times the capacity per hour altogether, it is not believed until
it moves again.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.cell_model import Floats
from station.estimators.samples import Indices, Samples

_SWING_C_RATE = 3.0
"""At 0.3 mohm times ampere-hour and more, any cell then moves by several millivolts."""


@dataclass(frozen=True)
class StillState:
    """What is remembered of the voltages.

    Attributes:
        voltage_v: of the samples before, NaN before the first, shape (cells,).
        swing_c_rate: how far the current has moved since the voltage did, shape (cells,).
        current_a: of the samples before, shape (racks,).
    """

    voltage_v: Floats
    swing_c_rate: Floats
    current_a: Floats


def nothing_seen(cells: int, racks: int) -> StillState:
    """Return the state before the first samples."""
    return StillState(
        voltage_v=np.full(cells, np.nan, np.float32),
        swing_c_rate=np.zeros(cells, np.float32),
        current_a=np.zeros(racks, np.float32),
    )


def leave_out_frozen(
    state: StillState, samples: Samples, rack: Indices, capacity_ah: Floats
) -> tuple[StillState, Samples]:
    """Return the samples with voltages that stand still marked as not to be believed.

    Args:
        state: after the samples before.
        samples: of the moment.
        rack: of each cell, shape (cells,).
        capacity_ah: of each cell, shape (cells,).
    """
    heard = samples.voltage_good & samples.current_good[rack]
    same = heard & (samples.voltage_v == state.voltage_v)
    moved_a = np.abs(samples.current_a - state.current_a)[rack]
    swing = np.where(same, state.swing_c_rate + moved_a / capacity_ah, state.swing_c_rate)
    swing = np.where(heard & ~same, 0, swing).astype(np.float32)
    after = StillState(
        voltage_v=np.where(heard, samples.voltage_v, state.voltage_v),
        swing_c_rate=swing,
        current_a=np.where(samples.current_good, samples.current_a, state.current_a),
    )
    believed = samples.voltage_good & (swing < _SWING_C_RATE)
    return after, replace(samples, voltage_good=believed)
