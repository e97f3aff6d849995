"""Prophet with regressors: seasons of day, week and year, and what was forecast beside the price.

S. J. Taylor, B. Letham, "Forecasting at scale", The American Statistician 72 (2018) 37. Alone it
loses on power prices; with the forecasts of load and renewables and the prices of yesterday and a
week ago as regressors it is one voice among several. Without a trend of its own, which it would
continue into days that have another, a fit takes seconds; it is done every eighth week, and
between fits the regressors carry what is new.
"""

import datetime as dt
import logging
from typing import Any, Final

import numpy as np

from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.lear import FIRST_ROW
from cloud.market.forecasts.scaling import Asinh

_LAGS: Final = (1, 7)
_YEAR_OF_DAYS: Final = 729  # with less there is no telling the season of the year
_SEED: Final = 1
_ORDER_OF_DAY: Final = 8  # Fourier terms: down to three hours


class Additive:
    """Prophet, fitted anew every so many days.

    Attributes:
        name: as "prophet".
    """

    def __init__(self, name: str = "prophet", *, window: int = 731, refit_days: int = 56) -> None:
        self.name, self._window, self._refit_days = name, window, refit_days
        self._fitted: tuple[dt.date, Any, Asinh] | None = None

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,); fits where that is due."""
        day = table.dates[row]
        if self._fitted is None or not 0 <= (day - self._fitted[0]).days < self._refit_days:
            self._fitted = (day, *self._fit(table, row))
        _, model, scale = self._fitted
        said = model.predict(_frame(table, row, row + 1, scale))["yhat"].to_numpy()
        return scale.back(said[:, None])[:, 0]

    def _fit(self, table: DayTable, row: int) -> tuple[Any, Asinh]:
        prophet = _prophet()
        first = max(FIRST_ROW, row - self._window)
        scale = Asinh.of(table.price[first:row].reshape(-1, 1))
        model = prophet(
            daily_seasonality=_ORDER_OF_DAY,
            weekly_seasonality=True,
            yearly_seasonality=row - first > _YEAR_OF_DAYS,
            growth="flat",  # the level follows from the prices of yesterday and a week ago
            uncertainty_samples=0,
        )
        frame = _frame(table, first, row, scale)
        for column in frame.columns[1:]:
            model.add_regressor(column)
        frame["y"] = scale.to(table.price[first:row].reshape(-1, 1))[:, 0]
        return model.fit(frame, seed=_SEED), scale


def _prophet() -> Any:
    """Return the class of Prophet's models; of its loggers only warnings are heard.

    Both set how much they tell where they are used first, and cmdstanpy opens a way of its own to
    the terminal where nobody has set one up: so each is used once, and then told.
    """
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)  # misses what is not needed
    from cmdstanpy.utils import get_logger  # noqa: PLC0415 - slow to load
    from prophet import Prophet  # noqa: PLC0415 - as above

    for logger in (get_logger(), logging.getLogger("prophet")):
        logger.setLevel(logging.WARNING)
    return Prophet


def _frame(table: DayTable, first: int, end: int, scale: Asinh) -> Any:
    """Return Prophet's table of times and regressors for rows."""
    import pandas as pd  # noqa: PLC0415 - slow to load

    days = np.array(table.dates[first:end], "datetime64[m]")
    clock = days[:, None] + np.arange(table.points) * np.timedelta64(table.step_min, "m")
    frame: dict[str, Any] = {"ds": clock.ravel()}
    for name, values in table.exogenous.items():
        frame[name] = values[first:end].ravel()
    for lag in _LAGS:
        before = table.price[first - lag : end - lag].reshape(-1, 1)
        frame[f"price_{lag}"] = scale.to(before)[:, 0]
    for name, values in table.settled.items():
        frame[name] = np.repeat(values[first - 2 : end - 2], table.points)
    return pd.DataFrame(frame)
