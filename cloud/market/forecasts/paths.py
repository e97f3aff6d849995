"""Possible days around a forecast: paths whose values keep its quantiles and go together in time.

A price that turns out above its median in one hour mostly does so in the next. The scores of the
errors of the published forecasts of three markets (Lago et al. 2021: NP, PJM, DE, 728 days each)
are correlated over 1, 2, 3, 6 and 12 hours by 0.87, 0.75, 0.66, 0.50 and 0.37 on average. A part
that all hours of a day share and a part that fades from hour to hour give 0.87, 0.77, 0.68, 0.52
and 0.39.
"""

from typing import Final

import numpy as np
from scipy.special import ndtr

from cloud.market.forecast import Floats, Forecast
from cloud.market.units import HOUR_MIN

_SHARED: Final = 0.35
_FADES_TO: Final = 0.80  # within an hour
_TAIL: Final = 1.0
"""Beyond the outer quantiles a price goes on by as much again as the outer band is wide, at a
probability of nothing."""


def paths(forecast: Forecast, n_paths: int, rng: np.random.Generator) -> Floats:
    """Draw possible days.

    Args:
        forecast: with its quantiles.
        n_paths: how many.
        rng: where chance comes from.

    Returns:
        Values in the forecast's unit, shape (n_paths, intervals).
    """
    intervals = len(forecast.mean)
    chance: Floats = ndtr(_scores(n_paths, intervals, forecast.step_min, rng))
    levels = np.array([0.0, *forecast.levels, 1.0])
    drawn = np.empty_like(chance)
    for index, own in enumerate(forecast.quantiles):
        low, high = own[0], own[-1]
        ends = low - _TAIL * (own[1] - low), high + _TAIL * (high - own[-2])
        drawn[:, index] = np.interp(chance[:, index], levels, [ends[0], *own, ends[1]])
    return drawn


def _scores(n_paths: int, intervals: int, step_min: int, rng: np.random.Generator) -> Floats:
    """Return normal scores, correlated along a path, shape (n_paths, intervals)."""
    stays = _FADES_TO ** (step_min / HOUR_MIN)
    fresh = rng.standard_normal((n_paths, intervals))
    fading = np.empty_like(fresh)
    fading[:, 0] = fresh[:, 0]
    for index in range(1, intervals):
        fading[:, index] = stays * fading[:, index - 1] + np.sqrt(1 - stays**2) * fresh[:, index]
    shared = rng.standard_normal((n_paths, 1))
    scores: Floats = np.sqrt(_SHARED) * shared + np.sqrt(1 - _SHARED) * fading
    return scores
