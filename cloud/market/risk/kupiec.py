"""Whether a VaR was breached as often as it should be: Kupiec's test of the proportion of failures.

Kupiec, P. (1995): Techniques for verifying the accuracy of risk measurement models. Journal of
Derivatives 3(2), 73-84:

    LR = -2 ln[(1 - p)^(T - x) p^x] + 2 ln[(1 - x/T)^(T - x) (x/T)^x]

with x breaches on T days and p = 1 - level, which is chi-squared with one degree of freedom when
the VaR is right. Its upper tail is erfc(sqrt(LR / 2)) exactly.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class Kupiec:
    """A back-test's result.

    Attributes:
        breaches: days whose loss was above the VaR.
        days: looked at.
        expected: breaches of a right VaR on average.
        statistic: the likelihood ratio; 3.84 is the edge at 5 %.
        p_value: probability of at least this much deviation with a right VaR.
    """

    breaches: int
    days: int
    expected: float
    statistic: float
    p_value: float

    @property
    def is_right(self) -> bool:
        """Whether nothing speaks against the VaR at 5 %."""
        return self.p_value >= _SIGNIFICANCE


def kupiec(breaches: int, days: int, level: float = 0.95) -> Kupiec:
    """Test a number of breaches.

    Raises:
        ValueError: more breaches than days, no days, or a level outside 0..1.
    """
    if not 0 < level < 1 or not 0 <= breaches <= days or days < 1:
        raise ValueError(f"{breaches} breaches of {days} days at level {level} cannot be tested")
    chance, found = 1 - level, breaches / days
    right = _likelihood(breaches, days, chance)
    statistic = max(0.0, 2 * (_likelihood(breaches, days, found) - right))
    tail = math.erfc(math.sqrt(statistic / 2))
    return Kupiec(breaches, days, chance * days, statistic, tail)


def backtest(revenue: Floats, var: Floats, level: float = 0.95) -> Kupiec:
    """Test the VaR of past days against what they earned.

    Args:
        revenue: of each day, shape (days,).
        var: what was said before it, a loss positive, shape (days,).
        level: of the VaR.
    """
    return kupiec(int((-revenue > var).sum()), len(revenue), level)


def _likelihood(breaches: int, days: int, chance: float) -> float:
    """Return the logarithm of the likelihood; 0 ln 0 is 0."""
    hits = breaches * math.log(chance) if breaches else 0.0
    misses = (days - breaches) * math.log1p(-chance) if days > breaches else 0.0
    return hits + misses
