"""Schedules on forecasts that are made from the day's past: what forecasting alone earns.

The price is forecast by the hour at the beginning of each day; where there is a day-ahead market
its published price and the forecast of the load are told to the model.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.basic import scheduled
from cloud.market.backtest.case import Case, Outcome, believe
from cloud.market.errors import BadSeries
from cloud.market.forecasts.additive import Additive
from cloud.market.forecasts.boosting import Boosting
from cloud.market.forecasts.days import day_table
from cloud.market.forecasts.history import History
from cloud.market.forecasts.members import FIRST_ROW, Member
from cloud.market.units import HOUR_MIN

Floats = npt.NDArray[np.float64]

_SAME_DAYS = 28
"""Members are fitted anew so often: bounded work, as for the others of the table."""


def boosted(case: Case) -> Outcome:
    """Schedule each day on LightGBM's forecast of the real-time price."""
    return _on(case, Boosting(refit_days=_SAME_DAYS), of_day_ahead=False)


def additive(case: Case) -> Outcome:
    """Schedule each day on Prophet's forecast of the real-time price."""
    return _on(case, Additive(refit_days=_SAME_DAYS), of_day_ahead=False)


def boosted_day_ahead(case: Case) -> Outcome:
    """Schedule each day on LightGBM's forecast of the day-ahead price, as before its auction."""
    if case.seen.day_ahead is None:
        raise BadSeries("there is no day-ahead price to forecast: name da=COLUMN in --columns")
    return _on(case, Boosting(refit_days=_SAME_DAYS), of_day_ahead=True)


def _on(case: Case, member: Member, *, of_day_ahead: bool) -> Outcome:
    believed, prices = believe(case), case.prices
    first = -prices.start_ms // 60_000 % HOUR_MIN // prices.step_min
    exogenous: dict[str, Floats] = {}
    if case.seen.load is not None:
        exogenous["load"] = _hourly(case.seen.load, first, prices.step_min)
    if of_day_ahead:
        target = _hourly(believed.day_ahead, first, prices.step_min)
    else:
        target = _hourly(believed.price, first, prices.step_min)
        if case.seen.day_ahead is not None:
            exogenous["day_ahead"] = _hourly(believed.day_ahead, first, prices.step_min)
    start_ms = prices.start_ms + first * prices.step_min * 60_000
    zone = case.zone
    table: Any = day_table(History(start_ms, HOUR_MIN, target, exogenous, zone=zone))
    return scheduled(case, _laid_out(case, table, member, believed.profile))


def _laid_out(case: Case, table: Any, member: Member, otherwise: Floats) -> Floats:
    """Return a member's forecasts on the steps of the tested days, elsewhere the profile."""
    prices, out = case.prices, otherwise.copy()
    step_ms = prices.step_min * 60_000
    for day in range(case.first, case.last + 1):
        begin, end = prices.first_of(day), prices.first_of(day + 1)
        row = int(np.searchsorted(table.starts_ms, prices.start_ms + begin * step_ms))
        if row < FIRST_ROW or row >= len(table.dates) or begin == end:
            continue
        told = member.forecast(table, row)
        hour = (prices.minutes[begin:end] // HOUR_MIN).astype(np.int64)
        out[begin:end] = told[hour]
    return out


def _hourly(values: Floats, first: int, step_min: int) -> Floats:
    """Return hourly means from a step on, NaN where a step is missing."""
    per_hour = HOUR_MIN // step_min
    whole = (len(values) - first) // per_hour
    return np.asarray(values[first : first + whole * per_hour].reshape(whole, per_hour).mean(1))
