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
Extreme = tuple[float, int]
"""A value, and which cell has it (from 1); NaN and 0 where there is no such cell."""

_GOOD = int(Quality.GOOD)
_KEY = "extremes"


def cell_extremes(row: PointRow) -> tuple[tuple[Extreme, ...], tuple[Extreme, ...]]:
    """Return the extremes of the cells of a rack.

    Args:
        row: the newest cells; what is found is kept with their sample.

    Returns:
        Of every usable cell, and of those that are good and were usable before: highest and
        lowest voltage, V, highest and lowest temperature, degC.
    """
    known = row.found.get(_KEY)
    if known is None:
        pairs = [_of_signal(row, signal) for signal in ("cell_voltage_v", "cell_temperature_c")]
        known = tuple(volts + degrees for volts, degrees in zip(*pairs, strict=True))
        row.found[_KEY] = known
    usable, undoubted = known
    return usable, undoubted


def _of_signal(row: PointRow, signal: str) -> tuple[tuple[Extreme, ...], tuple[Extreme, ...]]:
    now, before = row.physical(signal), row.physical_before(signal)
    start, stop = row.layout.offset(signal)
    undoubted = (row.sample.quality[start:stop] == _GOOD) & np.isfinite(before)
    if undoubted.all():
        every = _of(np.minimum(now, before), np.maximum(now, before))
        return every, every
    high, low, usable = np.fmin(now, before), np.fmax(now, before), np.isfinite(now)
    return _among(high, low, usable), _among(high, low, usable & undoubted)


def _among(high: Floats, low: Floats, counts: npt.NDArray[np.bool_]) -> tuple[Extreme, ...]:
    if not counts.any():
        return (np.nan, 0), (np.nan, 0)
    return _of(np.where(counts, high, -np.inf), np.where(counts, low, np.inf))


def _of(high: Floats, low: Floats) -> tuple[Extreme, ...]:
    highest, lowest = int(high.argmax()), int(low.argmin())
    return (float(high[highest]), highest + 1), (float(low[lowest]), lowest + 1)
