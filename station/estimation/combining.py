"""The estimates of a station whose racks are of several makes, from those of each make."""

import math
from collections.abc import Mapping, Sequence

_SUMS = ("cells_estimated", "cells_searching")
_SUM_ENDS = ("_kwh", "_kw")
_WORST = ("anomaly_level", "anomaly_score", "estimator_state", "innovation_ratio")


def combined(stations: Sequence[Mapping[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """Return one row for the whole station; NaN counts as not known.

    Energies, powers and counts add up, of states and ratios the worst counts, what binds is what
    binds most of the capacity, all else is the mean weighted by capacity. A promise of energy is
    unknown when that of one make is.

    Args:
        stations: the row of each make.
        weights: capacity of each make's racks, in any unit.
    """
    if len(stations) == 1:
        return dict(stations[0])
    return {name: _one(name, [s[name] for s in stations], weights) for name in stations[0]}


def _one(name: str, values: Sequence[float], weights: Sequence[float]) -> float:
    if name in _SUMS or name.endswith(_SUM_ENDS):
        return math.fsum(values)
    known = [(v, w) for v, w in zip(values, weights, strict=True) if math.isfinite(v)]
    if not known:
        return math.nan
    if name in _WORST:
        return max(v for v, _ in known)
    if name.endswith("_bound_by"):
        return _most(known)
    return math.fsum(v * w for v, w in known) / math.fsum(w for _, w in known)


def _most(known: Sequence[tuple[float, float]]) -> float:
    """Return the reason behind which most weight stands, the first of equals."""
    totals: dict[float, float] = {}
    for reason, weight in known:
        totals[reason] = totals.get(reason, 0.0) + weight
    return max(totals, key=lambda reason: totals[reason])
