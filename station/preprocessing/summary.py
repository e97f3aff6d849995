"""What the cells of each rack come to: extremes with their cells, mean and deviation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.preprocessing.check import Flags, Grid

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Extremes:
    """Of one signal of each rack, (racks,) each; NaN and 0 where no cell is usable.

    Attributes:
        high, low: the extreme values.
        high_cell, low_cell: which cells have them, from 1.
        mean, deviation: over the usable cells; the deviation is that of the cells themselves.
    """

    high: Floats
    low: Floats
    high_cell: Floats
    low_cell: Floats
    mean: Floats
    deviation: Floats


def extremes(values: Grid, usable: Flags) -> Extremes:
    """Return the extremes of racks by cells; what is not usable is left out."""
    whole = bool(usable.all())
    racks = np.arange(len(values))
    highest = values if whole else np.where(usable, values, np.float32(-np.inf))
    lowest = values if whole else np.where(usable, values, np.float32(np.inf))
    high_cell, low_cell = highest.argmax(axis=1), lowest.argmin(axis=1)
    count = usable.sum(axis=1)
    known = count > 0
    divisor = np.maximum(count, 1)
    # Around the mean first: the squares of volts leave no room for millivolts in single precision.
    mean = np.where(usable, values, np.float32(0)).sum(axis=1, dtype=np.float64) / divisor
    away = np.where(usable, values - mean.astype(np.float32)[:, None], np.float32(0))
    variance = np.einsum("rc,rc->r", away, away, dtype=np.float64) / divisor
    return Extremes(
        high=np.where(known, highest[racks, high_cell], np.nan),
        low=np.where(known, lowest[racks, low_cell], np.nan),
        high_cell=np.where(known, high_cell + 1.0, 0.0),
        low_cell=np.where(known, low_cell + 1.0, 0.0),
        mean=np.where(known, mean, np.nan),
        deviation=np.where(known, np.sqrt(variance), np.nan),
    )
