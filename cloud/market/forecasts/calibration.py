"""Quantiles that are what they say: scaled past errors, at levels that correct themselves.

A day's errors are divided by what is expected of them: recent errors at this time of day, and how
far the members are apart today. The quantiles of these scores over the last year give the bands
(conformal prediction: G. Shafer, V. Vovk, J. Machine Learning Research 9 (2008) 371), and each
level is moved by what it missed (I. Gibbs, E. Candes, "Adaptive conformal inference under
distribution shift", NeurIPS 2021).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.forecast import LEVELS
from cloud.market.forecasts.history import Floats

_KEPT_DAYS: Final = 365
_LEAST_DAYS: Final = 14  # before, the bands are wide: twice what the scores say
_MEMORY: Final = 0.95  # of the recent errors, a day
_PACE: Final = 0.02  # of the levels' correction, a day
_NEAR: Final = 2  # hours on both sides that lend their scores


@dataclass
class Calibration:
    """The bands of one series' forecasts, learnt day by day.

    Attributes:
        levels: probabilities of the quantiles.
        points: times of a day.
    """

    points: int
    levels: tuple[float, ...] = LEVELS

    def __post_init__(self) -> None:
        self._scores: list[Floats] = []
        self._recent: Floats | None = None
        self._moved = np.array(self.levels)

    def quantiles(self, mean: Floats, apart: Floats) -> Floats:
        """Return a day's quantiles, shape (points, levels), rising along levels.

        Args:
            mean: the forecast, shape (points,).
            apart: how far the members are apart, shape (points,).
        """
        if not self._scores:
            return np.repeat(mean[:, None], len(self.levels), axis=1)
        scale = self._scale(apart)
        wide = 1.0 if len(self._scores) >= _LEAST_DAYS else 2.0
        at = wide * self._at(np.clip(self._moved, 0.001, 0.999))
        return np.sort(mean[:, None] + scale[:, None] * at, axis=1)

    def learn(self, mean: Floats, apart: Floats, came: Floats, said: Floats) -> None:
        """Take in what came of a day, and the quantiles that were said of it."""
        off = came - mean
        if self._scores:
            below = (came[:, None] <= said).mean(axis=0)
            self._moved = self._moved + _PACE * (np.array(self.levels) - below)
        size = _smooth(np.abs(off))
        self._recent = (
            size if self._recent is None else _MEMORY * self._recent + (1 - _MEMORY) * size
        )
        self._scores.append(off / self._scale(apart))
        del self._scores[:-_KEPT_DAYS]

    def _scale(self, apart: Floats) -> Floats:
        recent = self._recent if self._recent is not None else apart
        least = 0.05 * float(np.mean(recent)) + 1e-9
        return np.asarray(np.sqrt(np.maximum(recent, least) * np.maximum(_smooth(apart), least)))

    def _at(self, levels: Floats) -> Floats:
        """Return quantiles of the scores by time of day, shape (points, levels)."""
        reach = max(1, _NEAR * self.points // 24)
        near = np.arange(self.points)[:, None] + np.arange(-reach, reach + 1)
        scores = np.stack(self._scores)[:, near % self.points].swapaxes(0, 1)
        return np.asarray(np.quantile(scores.reshape(self.points, -1), levels, axis=1).T)


def _smooth(values: Floats) -> Floats:
    """Return values averaged with their neighbours in time."""
    return (np.roll(values, 1) + values + np.roll(values, -1)) / 3
