"""How good forecasts were: error, bands and money, for each member and for the mixture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.forecast import LEVELS
from cloud.market.forecasts.calibration import Calibration
from cloud.market.forecasts.capture import earnings
from cloud.market.forecasts.ensemble import Mixer, earned_by
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.weighting import Weighting

ENSEMBLE: Final = "ensemble"
_GROUPS: Final = {"lear": "lear.", "kernel": "kernel."}


@dataclass(frozen=True)
class Score:
    """What one forecaster reached.

    Attributes:
        member: its name.
        mae: mean absolute error, per MWh.
        rmae: of the error of the same day a week before.
        capture: share of what perfect foresight earns by a plan a day of 1 MW and 2 MWh, 0..1.
        pinball: mean over the levels, per MWh; None where there are no bands.
        coverage: of each level, the share of what came that lay at or below it.
        seconds: of work.
    """

    member: str
    mae: float
    rmae: float
    capture: float
    pinball: float | None = None
    coverage: Mapping[str, float] | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Mixture:
    """The ensemble over a span.

    Attributes:
        mean: shape (days, points).
        quantiles: shape (days, points, levels).
        weights: shape (days, members).
    """

    mean: Floats
    quantiles: Floats
    weights: Floats


def mixed(said: Floats, came: Floats, weighting: Weighting | None = None) -> Mixture:
    """Return the mixture of every day from the days before it.

    Args:
        said: shape (members, days, points).
        came: shape (days, points).
        weighting: how; the house's own without it.
    """
    mixer = Mixer(len(said), came.shape[1], weighting)
    earned, found = earned_by(said, came), []
    for day in range(len(came)):
        one = mixer.mix(said[:, day])
        mixer.learn(said[:, day], one, came[day], earned[day])
        found.append(one)
    return Mixture(
        np.stack([one.mean for one in found]),
        np.stack([one.quantiles for one in found]),
        np.stack([one.weights for one in found]),
    )


def banded(said: Floats, came: Floats, apart: Floats) -> Floats:
    """Return one member's bands by its own past errors, shape (days, points, levels)."""
    calibration = Calibration(came.shape[1])
    found = []
    for day in range(len(came)):
        found.append(calibration.quantiles(said[day], apart[day]))
        calibration.learn(said[day], apart[day], came[day], found[-1])
    return np.stack(found)


def score(
    member: str,
    said: Floats,
    came: Floats,
    week_before: Floats,
    *,
    quantiles: Floats | None = None,
    seconds: float | None = None,
) -> Score:
    """Return what a forecaster reached on days, all of shape (days, points)."""
    mae = float(np.abs(said - came).mean())
    best = float(earnings(came, came).sum())
    pinball, coverage = None, None
    if quantiles is not None:
        off = came[..., None] - quantiles
        levels = np.array(LEVELS)
        pinball = float(np.maximum(levels * off, (levels - 1) * off).mean())
        below = (off <= 0).mean(axis=(0, 1))
        coverage = {f"{level:g}": float(share) for level, share in zip(LEVELS, below, strict=True)}
    return Score(
        member,
        mae,
        mae / max(float(np.abs(week_before - came).mean()), 1e-9),
        float(earnings(said, came).sum()) / max(best, 1e-9),
        pinball,
        coverage,
        seconds,
    )


def evaluate(
    said: Mapping[str, Floats],
    came: Floats,
    week_before: Floats,
    seconds: Mapping[str, float],
    first: int,
) -> tuple[list[Score], Mixture]:
    """Score members, LEAR as a whole, and the mixture.

    Args:
        said: of each member, shape (days, points), from the days on which weights are learnt.
        came: what came, shape (days, points).
        week_before: the same day a week before, shape (days, points).
        seconds: of each member.
        first: the first day that counts; those before only teach.

    Returns:
        Scores, the ensemble's last, and the mixture of the days that count.
    """
    every = np.stack(list(said.values()))
    whole = mixed(every, came)
    apart = every.std(axis=0)
    scores = [
        score(
            name,
            own[first:],
            came[first:],
            week_before[first:],
            quantiles=banded(own, came, apart)[first:],
            seconds=seconds.get(name),
        )
        for name, own in {**said, **_groups(said)}.items()
    ]
    scores.append(
        score(
            ENSEMBLE,
            whole.mean[first:],
            came[first:],
            week_before[first:],
            quantiles=whole.quantiles[first:],
            seconds=sum(seconds.values()),
        )
    )
    counted = Mixture(whole.mean[first:], whole.quantiles[first:], whole.weights[first:])
    return scores, counted


def _groups(said: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the means of members of one kind, where there are several."""
    found = {}
    for group, beginning in _GROUPS.items():
        own: Sequence[Floats] = [say for name, say in said.items() if name.startswith(beginning)]
        if len(own) > 1:
            found[group] = np.mean(own, axis=0)
    return found
