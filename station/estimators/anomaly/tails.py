"""How seldom a figure is: -log10 of the chance that a healthy cell reaches it within a day.

Up to the 99 % quantile the chance is counted; beyond, excesses over a high threshold follow a
generalised Pareto law (Pickands 1975, Annals of Statistics 3; Coles, An Introduction to
Statistical Modeling of Extreme Values, 2001, ch. 4). So figures of different kinds become one
scale, and levels that healthy cells reach once in a month can be told from a few days' data.
"""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from station.estimators.cell_model import Floats

_LEAST_SHAPE = 1e-3
_MOST = 30.0


class Tail(BaseModel):
    """The upper tail of one figure.

    Attributes:
        quantiles: figures that are reached with the chances 10^-0, 10^-0.25, 10^-0.5, ...
        threshold, reached: where the law begins, and -log10 of the chance to reach it.
        shape, scale: of the generalised Pareto law.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantiles: Annotated[tuple[float, ...], Field(min_length=2)]
    threshold: float
    reached: float
    shape: Annotated[float, Field(ge=0, le=1)]
    scale: Annotated[float, Field(gt=0)]

    def rarity(self, figure: Floats) -> Floats:
        """Return -log10 of the chance that a healthy figure is as large, 0..30."""
        counted = np.interp(figure, self.quantiles, 0.25 * np.arange(len(self.quantiles)))
        excess = np.maximum(figure - self.threshold, 0) / self.scale
        shape = max(self.shape, _LEAST_SHAPE)
        beyond = self.reached + np.log1p(shape * excess) / (shape * np.log(10))
        rare = np.where(figure > self.threshold, beyond, np.minimum(counted, self.reached))
        told: Floats = np.minimum(rare, _MOST).astype(np.float32)
        return told

    def figure(self, rarity: float) -> float:
        """Return the figure that is reached with a chance of 10^-rarity, beyond the threshold."""
        shape = max(self.shape, _LEAST_SHAPE)
        excess = (10 ** (shape * (rarity - self.reached)) - 1) / shape
        return self.threshold + self.scale * float(excess)
