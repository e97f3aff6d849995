"""Racks from their cells: SOC of a string, extremes and where they are, means with intervals.

The cells of a string carry the same current. It is empty when its first cell is, and full when
its first cell is: its SOC is what the weakest can still give, over that and what the fullest can
still take. Errors of its cells are partly the same (one current sensor, one table), and what is
the same does not average out: a mean's interval takes the shared part whole and divides only the
cells' own parts by their number.
"""

from dataclasses import dataclass

import numpy as np

from station.estimators.by_rack import ByRack
from station.estimators.cell_model import Floats
from station.estimators.samples import Indices

_LEAST_AH = np.float32(1e-6)
_SHARED = 0.5
"""Share of variance that SOH or resistance of one make's cells have in common."""


@dataclass(frozen=True)
class ClusterSoc:
    """SOC of strings; shape (racks,) each.

    Attributes:
        soc, half_width: of the string, and of its interval of nine in ten.
        dischargeable_ah, chargeable_ah: of one string.
    """

    soc: Floats
    half_width: Floats
    dischargeable_ah: Floats
    chargeable_ah: Floats


def cluster_soc(
    by_rack: ByRack, soc: Floats, half_width: Floats, capacity_ah: Floats
) -> ClusterSoc:
    """Return the SOC of each rack's string.

    Its interval is that of the two cells that bound it, weighted as they weigh in SOC: near empty
    the weakest counts, near full the fullest. No credit is given for the number of cells.
    """
    give_ah, take_ah = soc * capacity_ah, (1 - soc) * capacity_ah
    giver, taker = by_rack.place_of_least(give_ah), by_rack.place_of_least(take_ah)
    whole_ah = np.maximum(give_ah[giver] + take_ah[taker], _LEAST_AH)
    of_string = give_ah[giver] / whole_ah
    width_ah = half_width * capacity_ah
    width = ((1 - of_string) * width_ah[giver] + of_string * width_ah[taker]) / whole_ah
    return ClusterSoc(
        of_string.astype(np.float32),
        np.minimum(width, 1).astype(np.float32),
        give_ah[giver],
        take_ah[taker],
    )


@dataclass(frozen=True)
class Extreme:
    """A rack's least or largest value and the number of its cell, from 1; shape (racks,) each."""

    value: Floats
    cell: Floats


def least(by_rack: ByRack, values: Floats) -> Extreme:
    """Return the least of each rack."""
    place = by_rack.place_of_least(values)
    return Extreme(values[place], by_rack.from_one(place))


def largest(by_rack: ByRack, values: Floats) -> Extreme:
    """Return the largest of each rack."""
    place = by_rack.place_of_least(-values)
    return Extreme(values[place], by_rack.from_one(place))


def mean_half_width(by_rack: ByRack, half_width: Floats) -> Floats:
    """Return the half width of each rack's mean, of values whose errors are partly shared."""
    square = by_rack.mean(half_width**2)
    share = _SHARED + (1 - _SHARED) / by_rack.count
    return np.sqrt(square * share).astype(np.float32)


def weighted_mean(values: Floats, weights: Floats) -> float:
    """Return the mean over the racks that have a value; NaN when none has."""
    there = np.isfinite(values)
    if not there.any():
        return float("nan")
    return float(np.average(values[there], weights=weights[there]))


def station_half_width(half_width: Floats, weights: Floats) -> float:
    """Return the half width of the racks' weighted mean, of partly shared errors."""
    there = np.isfinite(half_width)
    if not there.any():
        return float("nan")
    share = weights[there] / weights[there].sum()
    together = float((share * half_width[there]).sum()) ** 2
    apart = float(((share * half_width[there]) ** 2).sum())
    return float(np.sqrt(_SHARED * together + (1 - _SHARED) * apart))


def places(cells: Indices, by_rack: ByRack) -> Floats:
    """Return the numbers, from 1 in each rack, of cells told by place; NaN where it is -1."""
    return np.where(cells >= 0, by_rack.from_one(cells), np.nan).astype(np.float32)
