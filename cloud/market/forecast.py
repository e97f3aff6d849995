"""What is believed of a day's prices (or load, or use of regulation), as of a known time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""The quantiles of every forecast: the median and the ends of bands of 50, 80 and 90 %."""


@dataclass(frozen=True)
class Forecast:
    """A forecast with its quantiles.

    Attributes:
        series: what is forecast, as "price.day_ahead".
        start_ms: UTC epoch of the first interval.
        step_min: minutes an interval.
        known_ms: nothing that became known after this time went into it.
        mean: expected values, shape (intervals,), in the series' unit.
        quantiles: shape (intervals, levels), rising along levels.
        levels: the quantiles' probabilities.
        version: name and version of what made it, as "ensemble/3".
        members: what each member said, each of shape (intervals,).
        weights: of the members in `mean`; they add up to 1.
        flags: what a reader must know, as "short history: 200 of 1,095 days".
    """

    series: str
    start_ms: int
    step_min: int
    known_ms: int
    mean: Floats
    quantiles: Floats
    version: str
    levels: tuple[float, ...] = LEVELS
    members: Mapping[str, Floats] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
