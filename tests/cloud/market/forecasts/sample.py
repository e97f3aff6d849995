"""The sample market, shortened, so that a test takes what it needs of it."""

from dataclasses import replace
from functools import cache

import numpy as np

from cloud.market.forecasts.files import parse_columns, read_history
from cloud.market.forecasts.history import DAY_MS, History
from launcher.paths import DATA

FILE = DATA / "market" / "epf_de.parquet"
COLUMNS = "price=price,forecast=load_forecast_mw,forecast=renewables_forecast_mw"


@cache
def market() -> History:
    history, _ = read_history(FILE, parse_columns(COLUMNS))
    return history


def part(first_day: int, days: int, *, beside: int = 0) -> History:
    """Days of the sample market; forecasts beside the price reach so many days further."""
    whole = market()
    start, end = 24 * first_day, 24 * (first_day + days)
    return replace(
        whole,
        start_ms=whole.start_ms + first_day * DAY_MS,
        price=whole.price[start:end].copy(),
        exogenous={
            name: values[start : end + 24 * beside].copy()
            for name, values in whole.exogenous.items()
        },
    )


def actual(first_day: int) -> np.ndarray:
    return market().price[24 * first_day : 24 * first_day + 24]
