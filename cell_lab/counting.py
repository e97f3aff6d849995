"""What of the charge that is counted moves SOC: the capacity in use, and losses of charging."""

from collections.abc import Sequence

import numpy as np

from cell_lab.recordings import Recording, Series
from station.estimators.cell_parameters import Counting

_PULL_SD = (0.02, 0.01)
"""How far from 1 the capacity in use and the share of charging are thought to be."""
_ERR_SD = 0.005
"""By how much a recording's counted SOC differs from the line for reasons of its own."""
_SHARES = ((0.9, 1.1), (0.95, 1.0))


def counting(recordings: Sequence[Recording]) -> Counting:
    """Return the shares that repeat the SOC of recordings best; 1 where they tell nothing.

    Each recording gives one witness: the line through its SOC over the charge drawn and put in.
    """
    normal = np.diag([1 / sd**2 for sd in _PULL_SD])
    right = normal @ np.ones(2)
    for recording in recordings:
        out, back = _moved(recording)
        # SOC = start - out / capacity + back * charge / capacity, about capacity = charge = 1.
        design = np.stack([out - back, back], axis=1)
        wanted = recording.soc - recording.soc[0] + (out - back) + design.sum(axis=1)
        weight = 1 / (_ERR_SD**2 * len(out))
        normal += weight * design.T @ design
        right += weight * design.T @ wanted
    shares = np.linalg.solve(normal, right)
    capacity, charge = (
        float(np.clip(share, *limits)) for share, limits in zip(shares, _SHARES, strict=True)
    )
    return Counting(capacity=round(capacity, 4), charge=round(charge, 4))


def _moved(recording: Recording) -> tuple[Series, Series]:
    """Return the charge drawn and put in since the start, as shares of the capacity."""
    moved = recording.current_a * recording.elapsed_s / 3600 / recording.capacity_ah
    moved[0] = 0.0
    return np.cumsum(np.maximum(moved, 0)), np.cumsum(np.maximum(-moved, 0))
