"""How much each member counts: by its recent error and by the money that a plan on it captured.

Where to begin is a softmax of both. From there the weights move to those whose mixture would have
had the least absolute error of late, by exponentiated gradients (J. Kivinen, M. K. Warmuth,
Information and Computation 132 (1997) 1), and stop half way: few weeks of errors say little about
small differences.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.forecasts.history import Floats

_STEPS: Final = 60
_PACE: Final = 0.3


@dataclass(frozen=True)
class Weighting:
    """What recent days mean for weights.

    Attributes:
        days: how many of the last days count.
        half_life: days after which an error counts half.
        error: how sharply a greater MAE lowers the beginning; per share of the least MAE.
        money: how sharply a lower capture lowers the beginning; per share of perfect foresight.
        learnt: share of the weights that is learnt, the rest is the beginning.
    """

    days: int = 180
    half_life: float = 60.0
    error: float = 12.0
    money: float = 20.0
    learnt: float = 0.6

    def weights(self, said: Floats, came: Floats, captured: Floats) -> Floats:
        """Return the members' weights.

        Args:
            said: of the last days, oldest first, shape (members, days, points).
            came: what came, shape (days, points).
            captured: share of perfect foresight of each member on these days, shape (members,).

        Returns:
            Weights of shape (members,), none negative, adding up to 1.
        """
        members, days, _ = said.shape
        if not days:
            return np.full(members, 1.0 / members)
        count = 0.5 ** (np.arange(days)[::-1] / self.half_life)
        off = said - came
        errors = (np.abs(off).mean(axis=2) * count).sum(axis=1) / count.sum()
        least = max(float(errors.min()), 1e-9)
        lift = -self.error * (errors / least - 1) + self.money * (captured - captured.max())
        begin = np.exp(lift - lift.max())
        begin /= begin.sum()
        found = self.learnt * _learnt(off, count, begin, least) + (1 - self.learnt) * begin
        return np.asarray(found, np.float64)


def _learnt(off: Floats, count: Floats, begin: Floats, least: float) -> Floats:
    """Return the mean of the weights on the way to the mixture with the least absolute error."""
    members, _, points = off.shape
    flat = off.reshape(members, -1)
    share = np.repeat(count / count.sum() / points, points)
    weights = np.maximum(begin, 1e-3 / members)
    weights /= weights.sum()
    mean = np.zeros(members)
    for _ in range(_STEPS):
        pull = flat @ (np.sign(weights @ flat) * share) / least
        weights = weights * np.exp(-_PACE * (pull - pull.min()))
        weights /= weights.sum()
        mean += weights
    return mean / _STEPS
