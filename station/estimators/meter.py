"""Charge that each rack has moved, counted second by second: all its cells carry the same.

Shares of the nominal capacity. The net count goes on for ever and is bounded by what a cell
holds, so that a count remembered at one moment and another at a later one tell the charge between
them. What is discharged and what is charged is counted from turn to turn.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Indices, Samples

_HOUR_S = 3600.0
_CLOCK_S = 360.0
"""The clock of remembered counts goes in tenths of an hour, modulo 2 to the power of 16: it tells
times up to nine months apart."""


@dataclass(frozen=True)
class Meter:
    """Counts of racks, shape (racks,) each.

    Attributes:
        net: discharged less charged since the beginning.
        discharged, charged: since the rack's last turn, both positive.
        seconds: since the beginning.
    """

    net: npt.NDArray[np.float64]
    discharged: Floats
    charged: Floats
    seconds: npt.NDArray[np.float64]


def new_meter(racks: int) -> Meter:
    """Return counts at zero."""
    none = np.zeros(racks, np.float32)
    return Meter(none.astype(np.float64), none, none, none.astype(np.float64))


def count(meter: Meter, samples: Samples, model: CellModel) -> tuple[Meter, Floats]:
    """Return the counts after one moment, and what each rack moved in it, discharge positive.

    Args:
        meter: before the moment.
        samples: of the moment; current that is not good counts as none.
        model: the make; the net count is of what moves SOC (cell_model.Counting).
    """
    good = samples.current_good & np.isfinite(samples.current_a)
    current_a = np.where(good, samples.moved_a, 0)
    moved = (current_a * samples.elapsed_s / _HOUR_S / model.capacity_ah).astype(np.float32)
    share = np.where(moved < 0, model.counting.charge, 1.0)
    return Meter(
        net=meter.net + moved * share / model.counting.capacity,
        discharged=meter.discharged + np.maximum(moved, 0),
        charged=meter.charged + np.maximum(-moved, 0),
        seconds=meter.seconds + samples.elapsed_s,
    ), moved


def turned(meter: Meter, racks: Indices) -> Meter:
    """Return the counts after some racks have had their turn."""
    discharged, charged = meter.discharged.copy(), meter.charged.copy()
    discharged[racks] = charged[racks] = 0
    return replace(meter, discharged=discharged, charged=charged)


def clock(meter: Meter) -> npt.NDArray[np.uint16]:
    """Return each rack's clock in tenths of an hour."""
    return (meter.seconds // _CLOCK_S).astype(np.int64).astype(np.uint16)


def hours_between(before: npt.NDArray[np.uint16], after: npt.NDArray[np.uint16]) -> Floats:
    """Return the hours from one reading of the clock to a later one."""
    tenths = (after - before).astype(np.uint16)
    return (tenths * np.float32(_CLOCK_S / _HOUR_S)).astype(np.float32)
