"""How much of a day may be sold a day ahead: as much as the tail of the revenue allows.

What is sold ahead is bought back in real time where it is not delivered, so a position adds its
share of (day-ahead price - real-time price) x energy to what real-time operation earns. Full
day-ahead selling may improve VaR and ruin CVaR: the cap is on CVaR.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.risk.figures import var_cvar

Floats = npt.NDArray[np.float64]
_ROUNDS: Final = 60
_GOLDEN: Final = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Position:
    """A capped day-ahead position.

    Attributes:
        share: of the wanted position, 0..1.
        cvar: of the revenue with it.
        expected: mean revenue with it.
        capped: whether the limit took something off.
    """

    share: float
    cvar: float
    expected: float
    capped: bool


def position_gain(
    position_mw: Floats, day_ahead: Floats, real_time: Floats, step_h: float
) -> Floats:
    """Return what a whole day-ahead position adds to real-time operation, shape (scenarios,).

    Args:
        position_mw: sold ahead, discharge positive, shape (intervals,).
        day_ahead: price, shape (intervals,) or (scenarios, intervals).
        real_time: price, shape (scenarios, intervals).
        step_h: hours an interval.
    """
    gain: Floats = ((day_ahead - real_time) * position_mw).sum(axis=1) * step_h
    return gain


def cap_position(gain: Floats, base: Floats, cvar_limit: float, level: float = 0.95) -> Position:
    """Return the largest share of a position whose CVaR keeps a limit.

    CVaR is convex in the share, so the shares that keep the limit are one stretch. Where no share
    keeps it, the one of the least CVaR is returned: no worse than to do nothing.

    Args:
        gain: what the whole position adds, shape (scenarios,).
        base: revenue without it, shape (scenarios,).
        cvar_limit: greatest mean loss of the tail.
        level: of the CVaR.
    """

    def cvar(share: float) -> float:
        return var_cvar(base + share * gain, level).cvar

    def position(share: float) -> Position:
        return Position(share, cvar(share), float((base + share * gain).mean()), share < 1)

    if cvar(1.0) <= cvar_limit:
        return position(1.0)
    low, high = 0.0, 1.0
    for _ in range(_ROUNDS):  # golden section: the share of the least CVaR
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if cvar(left) <= cvar(right) else (left, high)
    best = 0.0 if cvar(0.0) <= cvar(low) else low
    if cvar(best) > cvar_limit:
        return position(best)
    low, high = best, 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if cvar(middle) <= cvar_limit else (low, middle)
    return position(low)
