"""The lasso for many targets that share their inputs: one Gram matrix, one path a target.

Coordinate descent on the Gram matrix with warm starts along the path: J. Friedman, T. Hastie,
R. Tibshirani, "Regularization paths for generalized linear models via coordinate descent",
J. Statistical Software 33 (2010) 1, section 2.2. The penalty is chosen by Akaike's criterion with
the target's variance as that of the noise, which prefers sparse models.
"""

from typing import Final

import numpy as np
from numba import njit

from cloud.market.forecasts.history import Floats

_RATIOS: Final = np.geomspace(1.0, 1e-4, 46)  # of the penalty at which all weights are nothing
_ROUNDS: Final = 300
_TOLERANCE: Final = 1e-6  # of a target's sum of squares
_NOTHING: Final = 1e-12
_RISES: Final = 5  # so often the criterion may get worse before the path is left


def _path(  # noqa: C901, PLR0917 - compiled: one loop over targets, penalties and coordinates
    gram: Floats, moments: Floats, squares: Floats, rows: int, ratios: Floats, cost: float
) -> Floats:
    targets, inputs = moments.shape
    chosen = np.zeros((targets, inputs))
    for target in range(targets):
        weights = np.zeros(inputs)
        gradient = moments[target].copy()
        most = np.max(np.abs(gradient))
        lowest, rises = np.inf, 0
        for ratio in ratios:
            penalty = most * ratio
            for _ in range(_ROUNDS):
                change = 0.0
                for one in range(inputs):
                    curve = gram[one, one]
                    if curve <= _NOTHING:
                        continue
                    pull = gradient[one] + curve * weights[one]
                    new = np.sign(pull) * max(abs(pull) - penalty, 0.0) / curve
                    moved = new - weights[one]
                    if moved != 0.0:
                        weights[one] = new
                        for other in range(inputs):
                            gradient[other] -= moved * gram[one, other]
                        change = max(change, moved * moved * curve)
                if change < _TOLERANCE * squares[target]:
                    break
            left, used = squares[target], 0
            for one in range(inputs):
                left -= weights[one] * (moments[target, one] + gradient[one])
                used += weights[one] != 0.0
            criterion = rows * left / squares[target] + cost * used
            if criterion < lowest:
                lowest, rises = criterion, 0
                chosen[target] = weights
            else:
                rises += 1
                if rises >= _RISES:
                    break
    return chosen


_path_jit = njit(cache=True, fastmath={"contract", "arcp", "reassoc", "nsz"})(_path)


def lasso(inputs: Floats, targets: Floats, cost: float) -> tuple[Floats, Floats]:
    """Fit a sparse linear model of every target.

    Args:
        inputs: shape (rows, inputs).
        targets: shape (rows, targets).
        cost: what an input that is used must save, in units of the target's variance; 2 is
            Akaike's criterion.

    Returns:
        Weights of shape (inputs, targets) and constants of shape (targets,).
    """
    mean_in, mean_out = inputs.mean(axis=0), targets.mean(axis=0)
    centred, wanted = inputs - mean_in, targets - mean_out
    moments = np.ascontiguousarray((centred.T @ wanted).T)
    squares = np.maximum((wanted**2).sum(axis=0), 1e-12)
    weights = _path_jit(centred.T @ centred, moments, squares, len(inputs), _RATIOS, cost).T
    return weights, mean_out - mean_in @ weights
