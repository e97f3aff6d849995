"""The exact cheapest division of a power among units whose losses grow quadratically.

For a given set of running units the conditions of Karush, Kuhn and Tucker say: all units
strictly inside their limits have the same marginal loss. Raise that level like water: each
unit takes load once the level passes its own marginal loss, until it meets its limit. The
total is piecewise linear in the level, so the division that gives the wanted total lies
between two of the known corners and is found without iteration.

Many sets of units are solved at once, one per row of `masks`.
"""

import numpy as np

from station.dispatch.split.units import Flags, Floats

_LEAST_BEND = 2e-6
"""Rise of marginal loss over a unit's range below which it counts as this much: units with a
straight loss curve fill in order of their loss, and 0.0002 % of error is far below what any
loss curve is known to."""


def usable_slope(slope: Floats, high: Floats) -> Floats:
    """Return slopes large enough for a well-defined division, (units,)."""
    return np.maximum(slope, _LEAST_BEND / np.maximum(high, 1e-6))


def water_fill(  # noqa: PLR0917 - the six quantities of the formula above
    masks: Flags, low: Floats, high: Floats, marginal: Floats, slope: Floats, total: float
) -> Floats:
    """Return the loads of every set, (sets, units), 0 for units outside the set.

    A total beyond what a set can take leaves all its units at their limits.

    Args:
        masks: which units run, (sets, units).
        low: least load of each running unit, (units,).
        high: largest load of each running unit, (units,).
        marginal: marginal loss of each unit without load, (units,).
        slope: rise of the marginal loss with load, (units,).
        total: load to be divided.
    """
    if masks.size == 0:
        return np.zeros(masks.shape)
    levels = np.sort(np.concatenate((marginal + slope * low, marginal + slope * high)))
    corners = np.clip((levels[:, None] - marginal) / slope, low, high)
    # At its own corner a unit is at its limit exactly, whatever rounding says.
    corners[0], corners[-1] = low, high
    sums = masks.astype(np.float64) @ corners.T
    last = len(levels) - 1
    upper = np.clip((sums < total).sum(axis=1), 1, last)
    rows = np.arange(len(masks))
    below, above = sums[rows, upper - 1], sums[rows, upper]
    gap = above - below
    part = np.clip(np.where(gap > 0, (total - below) / np.where(gap > 0, gap, 1.0), 1.0), 0, 1)
    loads = corners[upper - 1] + part[:, None] * (corners[upper] - corners[upper - 1])
    found: Floats = np.where(masks, np.clip(loads, low, high), 0.0)
    return found
