"""What may be lost: value at risk, expected shortfall, the worst day. Losses are positive."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Risk:
    """Figures of one set of scenarios, in the market's currency.

    Attributes:
        expected: mean revenue.
        var: the loss that is exceeded with a probability of 1 - level at most; a negative value is
            a gain that is reached all the same.
        cvar: mean loss of the worst 1 - level of the scenarios.
        worst: the greatest loss.
        level: e.g. 0.95.
    """

    expected: float
    var: float
    cvar: float
    worst: float
    level: float


def var_cvar(revenue: Floats, level: float = 0.95) -> Risk:
    """Return the risk of equally likely scenarios.

    CVaR is that of Rockafellar and Uryasev (2002, Conditional value-at-risk for general loss
    distributions, Journal of Banking & Finance 26, proposition 8): of the scenario at the edge of
    the tail only the part counts that fills the tail up. So it is convex in positions.

    Args:
        revenue: one sum for each scenario, shape (scenarios,).
        level: of confidence, between 0 and 1.

    Raises:
        ValueError: no scenario, a value that is no number, or a level outside 0..1.
    """
    if revenue.ndim != 1 or not revenue.size or not np.isfinite(revenue).all():
        raise ValueError(f"revenue of shape {revenue.shape} is no row of finite numbers")
    if not 0 < level < 1:
        raise ValueError(f"level {level} lies not between 0 and 1")
    losses = np.sort(-revenue)
    count = len(losses)
    # The smallest loss that is not exceeded with a probability of at least `level`.
    edge = min(max(int(np.ceil(level * count - 1e-9)) - 1, 0), count - 1)
    tail = count * (1 - level)
    beyond = losses[edge + 1 :]
    cvar = (float(beyond.sum()) + (tail - len(beyond)) * float(losses[edge])) / tail
    return Risk(
        expected=float(revenue.mean()),
        var=float(losses[edge]),
        cvar=cvar,
        worst=float(losses[-1]),
        level=level,
    )


def worst_day(daily: Floats) -> tuple[int, float]:
    """Return the place and the revenue of the worst of some days, shape (days,)."""
    place = int(daily.argmin())
    return place, float(daily[place])
