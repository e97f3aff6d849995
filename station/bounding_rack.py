"""Which rack stands behind a bound of the whole station's dispatchable energy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_NOTHING, _CONVERTER = 0, 6
"""Values of the contract's ENERGY_BOUND for which no rack can be blamed."""


def bounding_racks(
    racks: Sequence[str],
    station: Mapping[str, float],
    estimates: Mapping[str, npt.NDArray[Any]],
) -> dict[str, str]:
    """Return a rack's tag by direction: of those bound as the station is, that with least left.

    What is left is that of one hour, which is the horizon that bounds are told of. A direction that
    nothing, or a converter, bounds is left out.

    Args:
        racks: tags, in the order of the arrays.
        station: estimates of the station, by signal.
        estimates: of the racks, by signal, shape (racks,).
    """
    found = {}
    for way in ("charge", "discharge"):
        reason = station.get(f"{way}_bound_by", math.nan)
        alike = estimates[f"{way}_bound_by"] == reason
        if reason in (_NOTHING, _CONVERTER) or not alike.any():
            continue
        left_kwh = np.where(alike, estimates[f"{way}_energy_1h_kwh"], np.inf)
        found[way] = racks[int(np.nanargmin(left_kwh))]
    return found
