"""How an SOH model is fitted: boosted trees and small networks, averaged.

Trees are exact where cells have been; networks are smooth between cells, and on cells of an
unseen duty they are the better half. Their mean is better than either.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from station.estimators.soh_features import Inputs, Series

Progress = Callable[[float], None]

_OUTSIDE = 0.003
"""Inputs are clipped at these quantiles from both ends: one odd charge moves no estimate far."""
_TREES_SHARE = 1 / 3
_MOST_ROWS = 9_000
"""Neighbouring cycles tell the same; more rows cost time and make nothing better."""
_NETS = 5


@dataclass(frozen=True)
class SohFit:
    """A fitted model.

    Attributes:
        low, high: bounds that inputs are clipped at; mean, sd: of the clipped, shape (INPUTS,).
        soh_mean, soh_sd: of the training rows.
        trees: of standardised SOH over clipped inputs; nets: over standardised inputs.
        trees_share: weight of the trees in the mean; the nets share the rest.
    """

    low: Inputs
    high: Inputs
    mean: Series
    sd: Series
    soh_mean: float
    soh_sd: float
    trees: HistGradientBoostingRegressor
    nets: tuple[MLPRegressor, ...]
    trees_share: float = _TREES_SHARE

    def predict(self, inputs: Inputs) -> Series:
        """Return SOH of rows of inputs."""
        clipped = np.clip(inputs, self.low, self.high)
        scaled = (clipped.astype(np.float64) - self.mean) / self.sd
        nets = np.mean([net.predict(scaled) for net in self.nets], axis=0)
        mixed = self.trees_share * self.trees.predict(clipped) + (1 - self.trees_share) * nets
        return np.asarray(self.soh_mean + self.soh_sd * mixed, dtype=np.float64)


def thinned(rows: int) -> npt.NDArray[np.intp]:
    """Return the rows that are trained on: all, or every nth of them."""
    return np.arange(0, rows, max(1, round(rows / _MOST_ROWS)))


def fit_soh(inputs: Inputs, soh: Series, seed: int, progress: Progress) -> SohFit:
    """Fit a model; the same rows and seed give the same model.

    Args:
        inputs: of cycles of all cells, shape (cycles, INPUTS).
        soh: measured, shape (cycles,).
        seed: of all that is drawn by chance.
        progress: told the share that is done.
    """
    rows = thinned(len(soh))
    low, high = np.quantile(inputs, [_OUTSIDE, 1 - _OUTSIDE], axis=0).astype(np.float32)
    clipped = np.clip(inputs[rows], low, high)
    mean, sd = clipped.mean(axis=0, dtype=np.float64), clipped.std(axis=0, dtype=np.float64)
    sd[sd == 0] = 1.0
    soh_mean, soh_sd = float(soh[rows].mean()), float(soh[rows].std()) or 1.0
    target = (soh[rows] - soh_mean) / soh_sd
    scaled = (clipped.astype(np.float64) - mean) / sd
    nets = []
    with threadpool_limits(1):  # more threads add in another order: no two models alike
        trees = _trees(seed).fit(clipped, target)
        progress(0.3)
        for number in range(_NETS):
            nets.append(_fitted(_net(seed + number), scaled, target))
            progress(0.3 + 0.7 * (number + 1) / _NETS)
    return SohFit(low, high, mean, sd, soh_mean, soh_sd, trees, tuple(nets))


def _trees(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=400,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=60,
        l2_regularization=10.0,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )


def _net(seed: int) -> MLPRegressor:
    return MLPRegressor(
        hidden_layer_sizes=(96, 48),
        alpha=0.3,
        learning_rate_init=2e-3,
        max_iter=40,
        n_iter_no_change=40,
        random_state=seed,
    )


def _fitted(net: MLPRegressor, scaled: Series, target: Series) -> MLPRegressor:
    import warnings  # noqa: PLC0415

    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped early by design
        return net.fit(scaled, target)
