"""How good the forecasts were that bids were made on, against the prices that came.

Of each day the first forecast counts that a bid of it keeps. Nothing is forecast anew, so what is
scored is what was believed; and only where it was believed before any price of the day was known: a
forecast that was made with the prices at hand is no forecast.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cloud.market.forecast import LEVELS, Floats, Forecast
from cloud.market.forecasts.evaluation import ENSEMBLE, Score, score
from cloud.market.units import DAY_MIN


@dataclass(frozen=True)
class KeptDay:
    """A day's forecast as it was kept, and what came.

    Attributes:
        day: of delivery, local.
        forecast: the first that a bid of the day keeps.
        came: prices, shape (points,), NaN where they are not stored.
        week_before: those of the same day a week before, shape (points,).
        late: whether a price of the day was known already when the forecast was made.
    """

    day: dt.date
    forecast: Forecast
    came: Floats
    week_before: Floats
    late: bool = False


@dataclass(frozen=True)
class Quality:
    """What the kept forecasts of a price reached.

    Attributes:
        scores: the ensemble first, then its members by error.
        days: that count: whole days, with their prices and those of the week before.
        left_out: days of which something is missing.
        weights: of the members, by day.
        daily: mean absolute error of the ensemble, by day.
        late: days left out because their first forecast was made when their prices were known.
    """

    scores: tuple[Score, ...]
    days: tuple[dt.date, ...]
    left_out: int
    weights: tuple[tuple[dt.date, Mapping[str, float]], ...]
    daily: tuple[tuple[dt.date, float], ...]
    late: int = 0


def quality(kept: Sequence[KeptDay]) -> Quality:
    """Score kept forecasts; without a whole day there are no scores."""
    late = sum(one.late for one in kept)
    ordered = sorted((one for one in kept if not one.late), key=lambda one: one.day)
    whole = [one for one in ordered if _is_whole(one)]
    weights = tuple((one.day, one.forecast.weights) for one in ordered if one.forecast.weights)
    left_out = len(ordered) - len(whole)
    if not whole:
        return Quality((), (), left_out, weights, (), late)
    said, came = np.stack([one.forecast.mean for one in whole]), np.stack([d.came for d in whole])
    week = np.stack([one.week_before for one in whole])
    bands = np.stack([one.forecast.quantiles for one in whole])
    everywhere = set.intersection(*(set(one.forecast.members) for one in whole))
    members = [
        score(name, np.stack([one.forecast.members[name] for one in whole]), came, week)
        for name in sorted(everywhere)
    ]
    return Quality(
        (
            score(ENSEMBLE, said, came, week, quantiles=bands),
            *sorted(members, key=lambda one: one.mae),
        ),
        tuple(one.day for one in whole),
        left_out,
        weights,
        tuple((one.day, float(np.abs(one.forecast.mean - one.came).mean())) for one in whole),
        late,
    )


def _is_whole(one: KeptDay) -> bool:
    """Whether a day has as many points as all others, and all of its prices are known."""
    points = DAY_MIN // one.forecast.step_min
    return (
        one.forecast.levels == LEVELS
        and len(one.forecast.mean) == len(one.came) == len(one.week_before) == points
        and bool(np.isfinite(one.came).all() and np.isfinite(one.week_before).all())
    )
