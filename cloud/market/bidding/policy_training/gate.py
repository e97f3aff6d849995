"""Who may bid: a policy must have earned more than the Markov-SDP in weeks that it never saw."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.risk import var_cvar

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.9
"""Of the resampled sets of weeks, so many must say that the policy earns more."""
CVAR_SLACK = 0.0
_WEEK_DAYS = 7
_RESAMPLES = 4000


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        promoted: whether the policy may bid.
        gain: money that it earned more in the unseen weeks.
        sure: share of resampled sets of weeks in which it earned more.
        cvar: mean loss of its worst 5 % of days, and of the Markov-SDP's.
        reason: in words.
    """

    promoted: bool
    gain: float
    sure: float
    cvar: tuple[float, float]
    reason: str


def judge(policy: Floats, value: Floats, *, seed: int = 1) -> Verdict:
    """Compare the money of unseen days.

    Args:
        policy: of each day, shape (days,).
        value: of the Markov-SDP's on the same days, shape (days,).
        seed: of the resampling.
    """
    gained = policy - value
    weeks = np.add.reduceat(gained, np.arange(0, len(gained), _WEEK_DAYS))
    drawn = np.random.default_rng(seed).integers(0, len(weeks), (_RESAMPLES, len(weeks)))
    sure = float((weeks[drawn].sum(axis=1) > 0).mean())
    risks = (var_cvar(policy).cvar, var_cvar(value).cvar)
    gain = float(gained.sum())
    if sure < CONFIDENCE:
        reason = f"earned {gain:+,.0f} in {len(weeks)} unseen weeks, sure to {sure:.0%} only"
    elif risks[0] > risks[1] + CVAR_SLACK:
        reason = f"earned {gain:+,.0f}, but its bad days cost {risks[0]:.2f}, not {risks[1]:.2f}"
    else:
        reason = f"earned {gain:+,.0f} in {len(weeks)} unseen weeks, sure to {sure:.0%}"
    promoted = sure >= CONFIDENCE and risks[0] <= risks[1] + CVAR_SLACK
    return Verdict(promoted, gain, sure, risks, reason)
