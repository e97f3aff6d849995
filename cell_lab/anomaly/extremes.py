"""Tails from samples: counted to the 99.9 % quantile, a generalised Pareto law beyond.

The law is fitted by probability-weighted moments (Hosking and Wallis 1987, Technometrics 29),
and its shape is held to 0..0.5: a bounded tail would call impossible what was only never seen.
"""

import numpy as np
import numpy.typing as npt

from station.estimators.anomaly.tails import Tail

_QUARTER = 0.25
_FEWEST = 15
_LEAST_SCALE = 0.08
"""A normal law at one in ten thousand falls off so fast. What seems to fall faster is a figure that
lasts, of which there were only as many samples as cells."""


def fit_tail(samples: npt.NDArray[np.floating], reached: float) -> Tail:
    """Return the upper tail of samples.

    Args:
        samples: of healthy cells.
        reached: -log10 of the share of samples that lie beyond where the law begins.
    """
    ordered = np.sort(samples.astype(np.float64))
    steps = np.arange(0, reached + 1e-9, _QUARTER)
    quantiles = np.quantile(ordered, 1 - 10.0**-steps)
    threshold = float(quantiles[-1])
    excess = ordered[ordered > threshold] - threshold
    scale, shape = 0.0, 0.0
    if len(excess) >= _FEWEST:
        share = (np.arange(len(excess)) + 0.65) / len(excess)
        mean = float(excess.mean())
        weighted = float((excess * (1 - share)).mean())
        shape = 2 - mean / (mean - 2 * weighted)
        shape = float(np.clip(shape, 0.0, 0.5))
        scale = mean * (1 - shape)
    scale = max(scale, _LEAST_SCALE * threshold, 1e-3)
    return Tail(
        quantiles=tuple(round(float(each), 5) for each in quantiles),
        threshold=round(threshold, 5),
        reached=float(steps[-1]),
        shape=round(shape, 4),
        scale=round(scale, 6),
    )
