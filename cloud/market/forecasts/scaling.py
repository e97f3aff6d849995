"""Spikes made tame: the inverse hyperbolic sine of what a value is off the median.

Median and median absolute deviation, as in B. Uniejewski, R. Weron, F. Ziel, "Variance stabilizing
transformations for electricity spot price forecasting", IEEE Trans. Power Systems 33 (2018) 2219.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.forecasts.history import Floats

_NORMAL: Final = 0.6745  # 75 % point of the normal distribution: makes the MAD a standard deviation
_FLAT: Final = 1e-6
_FARTHEST: Final = 1.3  # times the farthest value trained on: no forecast goes beyond


@dataclass(frozen=True)
class Asinh:
    """The transformation of columns.

    Attributes:
        middle: medians, shape (columns,).
        scale: normalised median absolute deviations, shape (columns,).
        reach: the greatest transformed value that was seen, shape (columns,).
    """

    middle: Floats
    scale: Floats
    reach: Floats

    @staticmethod
    def of(values: Floats) -> "Asinh":
        """Return the transformation of columns, shape (rows, columns)."""
        middle = np.median(values, axis=0)
        off = np.abs(values - middle)
        scale = np.median(off, axis=0) / _NORMAL
        flat = scale < _FLAT  # a column that is mostly constant, as solar at night
        scale = np.where(flat, np.std(values, axis=0), scale)
        scale = np.where(scale < _FLAT, 1.0, scale)
        return Asinh(middle, scale, np.arcsinh(off / scale).max(axis=0))

    def to(self, values: Floats) -> Floats:
        """Return transformed values, shape (..., columns)."""
        return np.asarray(np.arcsinh((values - self.middle) / self.scale))

    def back(self, values: Floats) -> Floats:
        """Return values from transformed ones, kept within reach of what was seen."""
        kept = np.clip(values, -_FARTHEST * self.reach, _FARTHEST * self.reach)
        return np.asarray(np.sinh(kept) * self.scale + self.middle)
