"""Boosted trees over all times of day at once: thresholds, and what depends on two things.

LightGBM on the asinh of the price, or of what it is off the level of the week, fitted to the median
(or another quantile).
"""

import datetime as dt
from typing import Any, Final

import numpy as np

from cloud.market.forecasts.days import DayTable, week_level
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.lear import FIRST_ROW
from cloud.market.forecasts.scaling import Asinh

_PRICE_LAGS: Final = (1, 2, 3, 7, 14)
_SETTLED_LAG: Final = 2
_SHAPE: Final = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "verbose": -1,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
}
_HALF_LIFE_DAYS: Final = 730.0  # of a day's weight in the fit


class Boosting:
    """LightGBM, fitted anew every so many days.

    Attributes:
        name: as "lightgbm".
    """

    def __init__(
        self,
        name: str = "lightgbm",
        *,
        level: float = 0.5,
        window: int = 1456,
        refit_days: int = 56,
        trees: int = 350,
        by_level: bool = False,
    ) -> None:
        """Take a shape; `by_level`: learn what prices are off the week's level, not prices.

        A tree says nothing that it has not seen: prices that have risen stay below it.
        """
        self.name, self._level, self._window = name, level, window
        self._refit_days, self._trees, self._by_level = refit_days, trees, by_level
        self._fitted: tuple[dt.date, Any, Asinh] | None = None
        self._inputs: tuple[DayTable, Floats, Floats] | None = None

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,); fits where that is due."""
        if self._inputs is None or self._inputs[0] is not table:
            level = week_level(table) if self._by_level else np.zeros(len(table.price))
            self._inputs = table, boosting_inputs(table, level), level
        _, inputs, level = self._inputs
        day = table.dates[row]
        if self._fitted is None or not 0 <= (day - self._fitted[0]).days < self._refit_days:
            self._fitted = (day, *self._fit(inputs, table.price - level[:, None], row))
        _, trees, scale = self._fitted
        said = scale.back(np.asarray(trees.predict(inputs[row]))[:, None])[:, 0]
        return np.asarray(said + level[row])

    def _fit(self, inputs: Floats, prices: Floats, row: int) -> tuple[Any, Asinh]:
        import lightgbm  # noqa: PLC0415 - slow to load

        first = max(2 * FIRST_ROW, row - self._window)
        price = prices[first:row].reshape(-1, 1)
        scale = Asinh.of(price)
        age = np.repeat(row - np.arange(first, row), prices.shape[1])
        data = lightgbm.Dataset(
            inputs[first:row].reshape(len(price), -1),
            scale.to(price)[:, 0],
            weight=0.5 ** (age / _HALF_LIFE_DAYS),
        )
        settings = {**_SHAPE, "objective": "quantile", "alpha": self._level}
        return lightgbm.train(settings, data, self._trees), scale


def boosting_inputs(table: DayTable, level: Floats) -> Floats:
    """Return the inputs of every time of every day, shape (days, points, inputs).

    Args:
        table: the days.
        level: what the prices of a day's inputs are taken off, shape (days,); itself an input.
    """
    price = table.price
    days, points = price.shape
    every = np.ones((days, points))
    before = _lagged(price, 1)
    prices = [
        *(_lagged(price, lag) for lag in _PRICE_LAGS),
        *(every * each[:, None] for each in (before.min(1), before.max(1), before.mean(1))),
        every * before[:, -1:],
        np.mean([_lagged(price, lag) for lag in range(1, 8)], axis=0),
        every * np.mean([_lagged(price, lag).mean(1) for lag in range(1, 8)], axis=0)[:, None],
    ]
    parts = [
        every * np.arange(points),
        every * table.weekday[:, None],
        every * np.array([day.timetuple().tm_yday for day in table.dates])[:, None],
        *(one - level[:, None] for one in prices),
        every * level[:, None],
    ]
    beside = list(table.exogenous.values())
    mixed = [one - two for at, one in enumerate(beside) for two in beside[at + 1 :]]
    for values in [*beside, *mixed]:
        mean = values.mean(axis=1, keepdims=True)
        parts += [
            values,
            np.roll(values, 1, axis=1),
            np.roll(values, -1, axis=1),
            values - _lagged(values, 1),
            values - _lagged(values, 7),
            values - mean,
            every * mean,
            every * values.max(axis=1, keepdims=True),
            every * values.min(axis=1, keepdims=True),
        ]
    parts += [every * _lagged(values[:, None], _SETTLED_LAG) for values in table.settled.values()]
    return np.stack(parts, axis=2)


def _lagged(rows: Floats, lag: int) -> Floats:
    return rows[np.maximum(np.arange(len(rows)) - lag, 0)]
