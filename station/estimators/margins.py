"""How many standard deviations the weakest cell of a series string must be given.

A string holds a promise when every one of its cells does. Errors of its cells have a part that
all of them share (the rack's one current sensor, the one table of their make) and a part that is
each cell's own. Of the shared part the quantile of the confidence is enough; of the own parts the
worst of n counts: it is below x with the probability of one raised to the power of n (order
statistics of independent normal errors: David and Nagaraja 2003, Order Statistics, ch. 2). Both
spreads are added by their squares.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from station.estimators.cell_model import Floats

_MEDIAN = 0.5
_NORMAL = NormalDist()


def standard_deviations(confidence: float) -> float:
    """Return how many standard deviations a normal error stays within, to one side."""
    return _NORMAL.inv_cdf(confidence)


@lru_cache(maxsize=64)
def worst_of(cells: int, confidence: float) -> tuple[float, float]:
    """Return the median of the worst of normal errors, and how far its quantile lies beyond.

    Args:
        cells: how many independent errors there are.
        confidence: of the quantile.
    """
    median = _NORMAL.inv_cdf(_MEDIAN ** (1 / cells))
    return median, _NORMAL.inv_cdf(confidence ** (1 / cells)) - median


def of_weakest(shared: Floats, cells: int, confidence: float) -> Floats:
    """Return by how many standard deviations each cell is to be discounted.

    Args:
        shared: which share of a cell's variance all cells of its string have in common, 0..1.
        cells: in the string.
        confidence: that all of them hold.
    """
    median, beyond = worst_of(cells, confidence)
    own = 1 - shared
    together = standard_deviations(confidence) ** 2 * shared + beyond**2 * own
    return (median * np.sqrt(own) + np.sqrt(together)).astype(np.float32)


def sum_of_parts(margins: Floats, correlation: float) -> float:
    """Return the margin of a sum whose parts' errors are equally correlated.

    Args:
        margins: of each part, at the same confidence.
        correlation: between any two of them, 0..1.
    """
    together = float(np.sum(margins)) ** 2
    apart = float(np.sum(np.square(margins)))
    return float(np.sqrt(correlation * together + (1 - correlation) * apart))
