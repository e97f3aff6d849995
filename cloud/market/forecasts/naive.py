"""Profiles that anybody has: yesterday, the same weekday a week ago, the mean of seven days."""

import numpy as np

from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import Floats


class Repeat:
    """The day so many days ago once more.

    Attributes:
        name: as "naive.day" or "naive.week".
    """

    def __init__(self, name: str, back: int) -> None:
        self.name, self._back = name, back

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,)."""
        return np.asarray(table.price[row - self._back])


class Profile:
    """The mean of the last days at the same time of day."""

    def __init__(self, name: str, days: int) -> None:
        self.name, self._days = name, days

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,)."""
        return np.asarray(table.price[row - self._days : row].mean(axis=0))
