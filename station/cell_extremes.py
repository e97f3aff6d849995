"""The extremes of a rack as its cells tell them, beside those that its BMS tells.

A cell counts by what it has said in two samples in a row, by the milder of both: what comes back
in the next sample was no cell. Where there is no sample before, it counts as it is told, as long as
nobody denies it.
"""

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from station.image import PointRow

Floats = npt.NDArray[np.float64]
_GOOD = int(Quality.GOOD)


def cell_extremes(row: PointRow, signal: str) -> Floats:
    """Return the extremes of a signal of the cells, shape (2, 4).

    Args:
        row: the newest cells of a rack; what is found is kept with their sample.
        signal: of the cells, in its unit.

    Returns:
        Of every usable cell, and of those that are good and were usable before: highest value,
        which cell has it (from 1), lowest value, which cell; NaN and 0 where there is no such cell.
    """
    key = f"{signal}:extremes"
    known = row.scaled.get(key)
    if known is None:
        known = row.scaled[key] = _extremes(row, signal)
    return known


def _extremes(row: PointRow, signal: str) -> Floats:
    now, before = row.physical(signal), row.physical_before(signal)
    start, stop = row.layout.offset(signal)
    undoubted = (row.sample.quality[start:stop] == _GOOD) & np.isfinite(before)
    high, low = np.fmin(now, before), np.fmax(now, before)
    usable = np.isfinite(now)
    return np.array([_of(high, low, usable), _of(high, low, usable & undoubted)])


def _of(high: Floats, low: Floats, counts: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    if not counts.any():
        return np.nan, 0.0, np.nan, 0.0
    highest = int(np.where(counts, high, -np.inf).argmax())
    lowest = int(np.where(counts, low, np.inf).argmin())
    return float(high[highest]), highest + 1.0, float(low[lowest]), lowest + 1.0
