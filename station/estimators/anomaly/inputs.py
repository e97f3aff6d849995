"""What the detector sees: one second's readings, and what sixteen seconds of them come to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from station.estimators.cell_model import Floats
from station.estimators.samples import Flags, Indices

BLOCK_S = 16.0
"""Readings are judged in blocks of so many seconds."""


@dataclass(frozen=True)
class Inputs:
    """One moment of all racks of one make of cell. Discharge is positive; NaN is not known.

    Attributes:
        elapsed_s: since the moment before, shape (racks,).
        current_a: of one cell (the rack's current over its parallel cells), shape (racks,).
        current_good: whether that can be believed, shape (racks,).
        voltage_v, temperature_c: shape (cells,).
        good: whether voltage and temperature can be believed, shape (cells,).
        soc: of each cell, as estimated, shape (cells,).
        innovation: of the SOC filter over its expected deviation, shape (cells,).
        rack_voltage_v: measured at the rack's terminals, shape (racks,).
        rack_power_kw: as the rack tells it, over its parallel cells, shape (racks,).
        together: whether the current was read in the same second as its peers', shape (racks,);
            None: all were.
    """

    elapsed_s: Floats
    current_a: Floats
    current_good: Flags
    voltage_v: Floats
    temperature_c: Floats
    good: Flags
    soc: Floats
    innovation: Floats
    rack_voltage_v: Floats
    rack_power_kw: Floats
    together: Flags | None = None


@dataclass(frozen=True)
class Block:
    """Sixteen seconds in few numbers. Currents in multiples of the capacity per hour.

    Attributes:
        span_s, current, current_variance: means over the block, shape (racks,).
        soc: median of the rack's cells, shape (racks,).
        sum_off_v: cells' voltages added up less the rack's, per cell, shape (racks,).
        peer_off: largest distance of the current from the other racks' of the stack, (racks,).
        power_off: power told less voltage times current, over rated power, shape (racks,).
        model_off: mean innovation of the rack's cells over what was expected, shape (racks,).
        voltage_v, temperature_c: means, shape (cells,); NaN where nothing good was read.
        voltage_on_current: covariance of voltage and current, V times 1/h, shape (cells,).
        still_voltage, still_temperature: how unlikely (-ln p) it is that a living reading
            stays so long as it is while the others move, shape (cells,).
    """

    span_s: Floats
    current: Floats
    current_variance: Floats
    soc: Floats
    sum_off_v: Floats
    peer_off: Floats
    power_off: Floats
    model_off: Floats
    voltage_v: Floats
    temperature_c: Floats
    voltage_on_current: Floats
    still_voltage: Floats
    still_temperature: Floats


@dataclass(frozen=True)
class Place:
    """Which cell stands in which rack, and which rack in which stack; cells lie rack by rack.

    Attributes:
        rack: of each cell, ascending, shape (cells,).
        racks: their number.
        stack: of each rack: racks of one stack share a converter, shape (racks,).
        first: the first cell of each rack, shape (racks,).
        count: cells of each rack, shape (racks,).
    """

    rack: Indices
    racks: int
    stack: Indices
    first: Indices
    count: Indices

    def within(self, numbers: Floats, statistic: Callable[[Floats], Floats]) -> Floats:
        """Return a statistic over the last axis for each rack's cells, shape (racks,)."""
        if (self.count == self.count[0]).all():
            return statistic(numbers.reshape(self.racks, -1))
        parts = np.split(numbers, self.first[1:])
        return np.concatenate([statistic(part[None]) for part in parts])

    def median(self, numbers: Floats) -> Floats:
        """Return the median of each rack's cells, shape (racks,); NaN where all are."""
        return self.within(numbers, _median)

    def mean(self, numbers: Floats) -> Floats:
        """Return the mean of each rack's cells, shape (racks,)."""
        total: Floats = np.add.reduceat(numbers, self.first)
        mean: Floats = (total / self.count).astype(np.float32)
        return mean


def place_of(rack: Indices, racks: int, stack: Indices | None = None) -> Place:
    """Return where cells stand.

    Args:
        rack: of each cell; ascending, and every rack has a cell.
        racks: their number.
        stack: of each rack; without it all racks share one.

    Raises:
        ValueError: cells do not lie rack by rack.
    """
    count = np.bincount(rack, minlength=racks)
    if len(count) != racks or (count == 0).any() or (np.diff(rack) < 0).any():
        raise ValueError("cells must lie rack by rack, and every rack must have one")
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.intp)
    together = np.zeros(racks, np.intp) if stack is None else stack
    return Place(rack, racks, together, first, count.astype(np.intp))


def _median(rows: Floats) -> Floats:
    """Return the median of each row, NaN left out, shape (rows,)."""
    ordered = np.sort(rows, axis=1)  # NaN comes last
    known = np.isfinite(ordered).sum(axis=1)
    at = np.arange(len(rows))
    middle = (
        ordered[at, np.maximum(known - 1, 0) // 2]
        + ordered[at, np.minimum(known // 2, rows.shape[1] - 1)]
    ) / 2
    return np.where(known > 0, middle, np.nan).astype(np.float32)
