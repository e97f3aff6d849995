"""How far a temperature lies from those that a make was identified at.

Between two temperatures that are known a table is carried by laws of temperature, and errs the
more the further both are: as a walk that is known at both ends, whose variance is the product of
the distances over their sum (Brownian bridge); beyond the last one it grows with the distance.
Distances are not in kelvin: ten of them in the cold change a cell more than ten in the warmth, by
the law of Arrhenius that its resistances follow.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from cell_lab.recordings import Series

_KELVIN = 273.15
_REFERENCE_C = 25.0
_ACTIVATION_K = 3500.0
"""Between those of ohmic and of charge-transfer resistances (see `cell_lab.identify`)."""
_WIDE_K = 5.0
_BEYOND_K = (10.0, 20.0)


def stretch(known_c: Sequence[float], at_c: float) -> float:
    """Return how far a temperature is from what is known, 0 where it is known itself.

    Args:
        known_c: temperatures of the identification, in any order.
        at_c: where a make is to be used.

    Returns:
        The distance in units of a cell's resistance at 25 deg C.
    """
    places = sorted({_place(c) for c in known_c})
    place = _place(at_c)
    if place <= places[0]:
        return places[0] - place
    if place >= places[-1]:
        return place - places[-1]
    low, high = next(pair for pair in pairwise(places) if pair[0] <= place <= pair[1])
    return (place - low) * (high - place) / (high - low)


def nearness(at_c: float, others_c: Series) -> Series:
    """Return how much what is found at other temperatures says of one, 1 at itself.

    A third where a cell's resistance is e times as large: some 20 K about room temperature.
    """
    near: Series = np.exp(-np.abs(_logarithm(others_c) - _logarithm(np.array(at_c))))
    return near


def told_at(known_c: Sequence[float]) -> list[float]:
    """Return the temperatures that intervals are told for: known ones, between, and beyond."""
    known = sorted(set(known_c))
    between = [(low + high) / 2 for low, high in pairwise(known) if high - low > _WIDE_K]
    beyond = [known[0] - k for k in _BEYOND_K] + [known[-1] + k for k in _BEYOND_K]
    return sorted({*known, *between, *beyond})


def _place(at_c: float) -> float:
    return float(np.exp(_logarithm(np.array(at_c))))


def _logarithm(at_c: Series) -> Series:
    """Return the logarithm of a cell's resistance against that at the reference."""
    log: Series = _ACTIVATION_K * (1 / (at_c + _KELVIN) - 1 / (_REFERENCE_C + _KELVIN))
    return log
