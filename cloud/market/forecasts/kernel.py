"""Kernel regression: what came of days that were like this one; the counterpart of a network.

Inputs and transformation are LEAR's (lear.py) with the season; all times of the day are outputs of
one solution in closed form (C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine
Learning", MIT Press 2006, sections 2.2 and 4.2: Matern 3/2, and a line with a squared exponential).
Older days count less: their noise is greater. What is near in time and what the day itself brings
is stretched, so that it counts more in the distance of days.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.forecasts.days import DayTable, week_level
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.lear import FIRST_ROW, lear_inputs
from cloud.market.forecasts.scaling import Asinh

_HOURS: Final = 24
_WEEKDAYS: Final = 7
_PRICE_STRETCH: Final = (2.0, 0.7, 0.7, 1.0)  # of 1, 2, 3 and 7 days ago
_BESIDE_STRETCH: Final = (2.0, 1.0, 0.7)  # of the day, a day ago and a week ago
_SETTLED_STRETCH: Final = 4.0
_WEEKDAY_STRETCH: Final = 6.0
_SEASON_STRETCH: Final = 4.0
_YEAR_DAYS: Final = 365.25
_FARTHEST: Final = 4.0  # of a transformed input
_HALF_LIFE_DAYS: Final = 730.0
_NOISE: Final = 0.03  # of the signal's variance, for a day of yesterday
_LINE: Final = 0.5  # of the line beside the squared exponential


def rough(distance: Floats, _products: Floats) -> Floats:
    """Matern 3/2: prices bend sharply. Distances relative to the median."""
    far = np.sqrt(3.0) * distance / 3.0
    return np.asarray((1.0 + far) * np.exp(-far))


def smooth(distance: Floats, products: Floats) -> Floats:
    """A line, and what bends it gently."""
    return np.asarray(np.exp(-0.5 * distance**2) + _LINE * products)


Likeness = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class _Fit:
    """A solution: days it rests on, and their weights."""

    day: dt.date
    scale_in: Asinh
    scale_out: Asinh
    centre: Floats
    days: Floats
    median: float
    weights: Floats
    usual: Floats


class Kernel:
    """Kernel regression, fitted anew every so many days.

    Attributes:
        name: as "kernel.rough".
    """

    def __init__(
        self,
        name: str,
        likeness: Likeness,
        *,
        window: int = 1456,
        refit_days: int = 7,
        by_level: bool = False,
    ) -> None:
        """Take a shape; `by_level`: learn what prices are off the week's level, not prices.

        Prices that have doubled are like no day before, what they are off their level may be.
        """
        self.name, self._likeness, self._by_level = name, likeness, by_level
        self._window, self._refit_days = window, refit_days
        self._fitted: _Fit | None = None
        self._inputs: tuple[DayTable, _Inputs] | None = None

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,); fits where that is due."""
        if self._inputs is None or self._inputs[0] is not table:
            self._inputs = table, _Inputs.of(table, by_level=self._by_level)
        inputs, day, fit = self._inputs[1], table.dates[row], self._fitted
        if fit is None or not 0 <= (day - fit.day).days < self._refit_days:
            fit = self._fitted = self._fit(inputs, table, row)
        asked = inputs.seen(slice(row, row + 1), fit.scale_in) - fit.centre
        like = self._like(asked, fit.days, _distance(asked, fit.days) / fit.median)
        said = fit.scale_out.back((like @ fit.weights)[0] + fit.usual)
        return np.asarray(said + inputs.level[row])

    def _fit(self, inputs: "_Inputs", table: DayTable, row: int) -> _Fit:
        from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415 - slow to load

        span = slice(max(FIRST_ROW, row - self._window), row)
        scale_in = Asinh.of(inputs.values[span])
        prices = table.price[span] - inputs.level[span, None]
        scale_out = Asinh.of(prices)
        seen = inputs.seen(span, scale_in)
        centre = seen.mean(axis=0)
        days = seen - centre
        wanted = scale_out.to(prices)
        usual = wanted.mean(axis=0)
        distance = _distance(days, days)
        median = float(np.median(distance)) + 1e-9
        like = self._like(days, days, distance / median)
        age = row - np.arange(span.start, row)
        like[np.diag_indices_from(like)] += _NOISE * 2.0 ** (age / _HALF_LIFE_DAYS)
        weights = cho_solve(cho_factor(like, check_finite=False), wanted - usual)
        return _Fit(table.dates[row], scale_in, scale_out, centre, days, median, weights, usual)

    def _like(self, one: Floats, other: Floats, distance: Floats) -> Floats:
        size = float((other**2).sum(axis=1).mean()) + 1e-9
        return self._likeness(distance, one @ other.T / size)


@dataclass(frozen=True)
class _Inputs:
    """LEAR's inputs of every day, those that are not transformed, and how they are stretched.

    Level is what prices are taken off, shape (days,): the mean of the week before, or nothing.
    """

    values: Floats
    marks: Floats
    stretch: Floats
    level: Floats

    @staticmethod
    def of(table: DayTable, *, by_level: bool) -> "_Inputs":
        inputs = lear_inputs(table)
        level = np.zeros(len(inputs))
        if by_level:
            level = week_level(table)
            inputs[:, : len(_PRICE_STRETCH) * _HOURS] -= level[:, None]
        angle = 2 * np.pi / _YEAR_DAYS * np.array([day.timetuple().tm_yday for day in table.dates])
        season = _SEASON_STRETCH * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        marks = np.hstack([_WEEKDAY_STRETCH * inputs[:, -_WEEKDAYS:], season])
        stretch = np.concatenate(
            [
                np.repeat((*_PRICE_STRETCH, *(_BESIDE_STRETCH * len(table.exogenous))), _HOURS),
                np.full(len(table.settled), _SETTLED_STRETCH),
            ]
        )
        return _Inputs(inputs[:, :-_WEEKDAYS], marks, stretch, level)

    def seen(self, rows: slice, scale: Asinh) -> Floats:
        """Return rows as points whose distances count, shape (days, inputs)."""
        near = np.clip(scale.to(self.values[rows]), -_FARTHEST, _FARTHEST)
        return np.hstack([near * self.stretch, self.marks[rows]])


def _distance(one: Floats, other: Floats) -> Floats:
    """Return distances between rows, shape (rows of one, rows of other)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
