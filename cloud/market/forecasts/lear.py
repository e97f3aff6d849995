"""LEAR: the lasso-estimated autoregressive model, one sparse regression for each time of day.

J. Lago, G. Marcjasz, B. De Schutter, R. Weron, "Forecasting day-ahead electricity prices: A review
of state-of-the-art algorithms, best practices and an open-access benchmark", Applied Energy 293
(2021) 116983, section 4.2: prices of 1, 2, 3 and 7 days ago, forecasts beside them for the day, a
day and a week ago, the weekday; all columns by the asinh transformation; fitted anew every day.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.scaling import Asinh

_PRICE_LAGS: Final = (1, 2, 3, 7)
_BESIDE_LAGS: Final = (0, 1, 7)
_SETTLED_LAG: Final = 2  # closing prices are known two days later
FIRST_ROW: Final = 7
"""The first day that has all inputs."""
_WEEKDAYS: Final = 7
_HOURS: Final = 24
_SCALE_DAYS: Final = 7  # medians of years change little in a week
_COST: Final = 0.5
"""Share of Akaike's charge for an input, in variances of the target; the least error on the years
before the test years (docs/market-forecasts.md)."""


@dataclass(frozen=True)
class _Scaled:
    """A window's transformation, good for a week, and a table's days through it.

    Attributes:
        day: from which on it is used.
        table: whose days these are.
        first: the first row.
        scale_in: of the inputs.
        scale_out: of the prices.
        seen: inputs from the first row on, shape (days, inputs).
        wanted: prices from the first row on, shape (days, points); NaN where none is known.
    """

    day: dt.date
    table: DayTable
    first: int
    scale_in: Asinh
    scale_out: Asinh
    seen: Floats
    wanted: Floats


class Lear:
    """LEAR over a window.

    Attributes:
        name: as "lear.1092".
    """

    def __init__(self, name: str, window: int, cost: float = _COST) -> None:
        self.name, self._window, self._cost = name, window, cost
        self._scaled: _Scaled | None = None

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Fit on the days before a row and return its forecast, shape (points,)."""
        from cloud.market.forecasts.lasso import lasso  # noqa: PLC0415 - compiles

        own = self._scaled = self._scale(table, row)
        span = slice(max(FIRST_ROW, row - self._window) - own.first, row - own.first)
        weights, constants = lasso(own.seen[span], own.wanted[span], self._cost)
        return own.scale_out.back(own.seen[span.stop] @ weights + constants)

    def _scale(self, table: DayTable, row: int) -> _Scaled:
        """Return the transformation in use, renewed once a week."""
        old, day = self._scaled, table.dates[row]
        due = old is None or not 0 <= (day - old.day).days < _SCALE_DAYS
        if old is not None and not due and old.table is table:
            return old
        inputs = lear_inputs(table)
        values, marks = inputs[:, :-_WEEKDAYS], inputs[:, -_WEEKDAYS:]
        first = max(FIRST_ROW, row - self._window)
        if old is None or due:
            scale_in, scale_out = Asinh.of(values[first:row]), Asinh.of(table.price[first:row])
        else:
            day, scale_in, scale_out = old.day, old.scale_in, old.scale_out
        rows = slice(first, row + _SCALE_DAYS)
        seen = np.hstack([scale_in.to(values[rows]), marks[rows]])
        wanted = scale_out.to(table.price[rows])
        return _Scaled(day, table, first, scale_in, scale_out, seen, wanted)


def lear_inputs(table: DayTable) -> Floats:
    """Return the inputs of every day, shape (days, inputs), the weekday's marks last.

    Days with more than 24 points are taken by hours.
    """
    parts = [_lagged(hourly(table.price), lag) for lag in _PRICE_LAGS]
    for values in table.exogenous.values():
        parts += [_lagged(hourly(values), lag) for lag in _BESIDE_LAGS]
    parts += [_lagged(values[:, None], _SETTLED_LAG) for values in table.settled.values()]
    return np.hstack([*parts, np.eye(_WEEKDAYS)[table.weekday]])


def hourly(rows: Floats) -> Floats:
    """Return rows by hours, shape (days, 24)."""
    return np.asarray(rows.reshape(len(rows), _HOURS, -1).mean(axis=2))


def _lagged(rows: Floats, lag: int) -> Floats:
    """Return rows of so many days ago, the first day's where nothing lies before."""
    return rows[np.maximum(np.arange(len(rows)) - lag, 0)]
