"""Published forecasts of the same days, to show beside ours."""

import datetime as dt
from pathlib import Path
from typing import Final

import numpy as np

from cloud.market.errors import BadSeries
from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.files import Columns, read_history
from cloud.market.forecasts.history import DAY_MS, Floats
from cloud.market.units import MINUTE_MS

_COLUMNS: Final = ("LEAR Ensemble", "DNN Ensemble")
_MEAN: Final = "LEAR/DNN mean"


def read_reference(file: Path, table: DayTable, rows: range) -> dict[str, Floats]:
    """Read the forecasts that Lago et al. 2021 published with their benchmark.

    Returns:
        By name, shape (days, points): the LEAR and the DNN ensemble, and the mean of both.

    Raises:
        BadSeries: the file cannot be used, or does not hold all these days.
    """
    history, _ = read_history(file, Columns(_COLUMNS[0], _COLUMNS[1:]), table.zone)
    start_ms, end_ms = int(table.starts_ms[rows.start]), int(table.starts_ms[rows.stop])
    step_ms = history.step_min * MINUTE_MS
    first, end = (start_ms - history.start_ms) // step_ms, (end_ms - history.start_ms) // step_ms
    if history.step_min != table.step_min or first < 0 or end > len(history.price):
        begins = dt.datetime.fromtimestamp(history.start_ms / 1000, dt.UTC).date()
        days = len(history.price) * step_ms // DAY_MS
        raise BadSeries(
            f"{file}: holds {days} days from {begins} by {history.step_min} minutes; give --from "
            "and --to that lie within"
        )
    lear = history.price[first:end].reshape(len(rows), table.points)
    dnn = history.exogenous[_COLUMNS[1]][first:end].reshape(len(rows), table.points)
    return {_COLUMNS[0]: lear, _COLUMNS[1]: dnn, _MEAN: np.mean([lear, dnn], axis=0)}
