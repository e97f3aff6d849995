"""A history as days of the market: one row a day, gaps and absurd values filled and named.

Rows have 24 hours. Where a clock is put back, the doubled hour is one row's mean; where it is put
forward, the hour that is missing is between its neighbours.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cloud.market.errors import BadSeries
from cloud.market.forecasts.history import DAY_MS, Floats, History, Times
from cloud.market.units import MINUTE_MS

PRICE_LIMITS: Final = (-2_000.0, 25_000.0)
"""Beyond the floors and caps of the markets known (AEMO -1,000 and 20,300, ERCOT 5,000,
SDAC -500 and 5,000 per MWh): such a price is a mistake."""

_SPARE: Final = 3.0  # of the middle nine tenths' range, on both sides: beyond is absurd
_LEAST_SEEN: Final = 28  # days before the range seen says anything
_WEEK: Final = 7
_USABLE: Final = 0.75  # share of days that a forecast beside the price must have


@dataclass(frozen=True)
class DayTable:
    """Days of a market.

    Attributes:
        dates: of the rows.
        starts_ms: UTC epoch at which each day begins, shape (days + 1,): also the last one's end.
        step_min: minutes between columns.
        price: shape (days, points); NaN in a row that is to be forecast.
        exogenous: each of shape (days, points).
        settled: daily values, each of shape (days,).
        weekday: 0 for Monday, shape (days,).
        zone: whose days these are.
        flags: what was filled or left out, in words.
    """

    dates: tuple[dt.date, ...]
    starts_ms: Times
    step_min: int
    price: Floats
    exogenous: Mapping[str, Floats]
    settled: Mapping[str, Floats]
    weekday: npt.NDArray[np.int64]
    zone: str = "UTC"
    flags: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """Columns of a row."""
        return int(self.price.shape[1])

    def columns(self, row: int) -> npt.NDArray[np.int64]:
        """Return the column of every interval of a day: 23 or 25 hours where a clock changes."""
        step_ms = self.step_min * MINUTE_MS
        start, end = int(self.starts_ms[row]), int(self.starts_ms[row + 1])
        if end - start == DAY_MS:
            return np.arange(self.points)
        zone = ZoneInfo(self.zone)
        clocks = [
            dt.datetime.fromtimestamp(time / 1000, zone) for time in range(start, end, step_ms)
        ]
        return np.array([(one.hour * 60 + one.minute) // self.step_min for one in clocks])

    def row_of(self, day_start_ms: int) -> int:
        """Return the row of the day that begins at a time.

        Raises:
            BadSeries: no day begins then.
        """
        row = int(np.searchsorted(self.starts_ms[:-1], day_start_ms))
        if row == len(self.dates) or self.starts_ms[row] != day_start_ms:
            raise BadSeries(
                f"{day_start_ms} is not the beginning of a day from {self.dates[0]} to "
                f"{self.dates[-1]}; give the market's local midnight"
            )
        return row


def week_level(table: DayTable) -> Floats:
    """Return the mean price of the week before each day, shape (days,)."""
    daily = np.concatenate([np.repeat(table.price[0].mean(), _WEEK), table.price.mean(axis=1)])
    return np.convolve(daily[:-1], np.full(_WEEK, 1 / _WEEK), "valid")


def day_table(
    history: History, *, limits: tuple[float, float] = PRICE_LIMITS, ahead: int = 1
) -> DayTable:
    """Lay a history out by days and repair it.

    Args:
        history: the series; days that it holds only in part count as days with gaps.
        limits: prices outside are taken for mistakes.
        ahead: rows after the last day with a price: what is to be forecast.

    Raises:
        BadSeries: there is no whole day, or nothing to fill a gap from.
    """
    dates, starts = _calendar(history, ahead)
    spread = _spreader(history, starts)
    price = spread(history.price)
    flags: list[str] = []
    last = len(dates) - ahead
    price[:last] = _mended(price[:last], limits, "price", flags)
    exogenous: dict[str, Floats] = {}
    for name, values in history.exogenous.items():
        laid = spread(values)
        if np.isfinite(laid).all(1).mean() < _USABLE:
            flags.append(f"{name}: less than {_USABLE:.0%} of its days are known: left out")
            continue
        exogenous[name] = _mended(laid, _range_limits(laid), name, flags)
    settled = {}
    for name, values in history.settled.items():
        settled[name] = _carried(spread(values))
    return DayTable(
        tuple(dates),
        starts,
        history.step_min,
        price,
        exogenous,
        settled,
        np.array([day.weekday() for day in dates], np.int64),
        history.zone,
        tuple(flags),
    )


def _calendar(history: History, ahead: int) -> tuple[list[dt.date], Times]:
    zone = ZoneInfo(history.zone)
    first = dt.datetime.fromtimestamp(history.start_ms / 1000, zone)
    day = first.date() + dt.timedelta(days=first.timetz().replace(tzinfo=None) > dt.time(0))
    end_ms = history.start_ms + len(history.price) * history.step_min * MINUTE_MS
    dates: list[dt.date] = []
    starts = [_midnight(day, zone)]
    while True:
        following = _midnight(day + dt.timedelta(days=1), zone)
        if following > end_ms:
            break
        dates.append(day)
        starts.append(following)
        day += dt.timedelta(days=1)
    if not dates:
        raise BadSeries("the history holds no whole day; give at least a few weeks")
    for _ in range(ahead):
        dates.append(day)
        day += dt.timedelta(days=1)
        starts.append(_midnight(day, zone))
    return dates, np.array(starts, np.int64)


def _midnight(day: dt.date, zone: ZoneInfo) -> int:
    return round(dt.datetime.combine(day, dt.time(), zone).timestamp() * 1000)


def _spreader(history: History, starts: Times) -> Callable[[Floats], Floats]:
    """Return what lays a series out as rows of 24 hours."""
    step_ms = history.step_min * MINUTE_MS
    points = DAY_MS // step_ms
    firsts = (starts[:-1] - history.start_ms) // step_ms
    counts = np.diff(starts) // step_ms
    zone = ZoneInfo(history.zone)

    def spread(values: Floats) -> Floats:
        padded = np.append(values, np.full(2 * points, np.nan))
        index = np.minimum(firsts[:, None] + np.arange(points), len(padded) - 1)
        rows: Floats = padded[index].astype(np.float64)
        for row in np.flatnonzero(counts != points):
            rows[row] = _changed_day(history, padded, int(firsts[row]), int(counts[row]), zone)
        return rows

    return spread


def _changed_day(
    history: History, values: Floats, first: int, count: int, zone: ZoneInfo
) -> Floats:
    """Return a day of 23 or 25 hours as one of 24 by the time its clock shows."""
    step_ms = history.step_min * MINUTE_MS
    points = DAY_MS // step_ms
    sums, seen = np.zeros(points), np.zeros(points)
    for index in range(first, min(first + count, len(values))):
        clock = dt.datetime.fromtimestamp((history.start_ms + index * step_ms) / 1000, zone)
        column = (clock.hour * 60 + clock.minute) // history.step_min
        sums[column] += values[index]
        seen[column] += 1
    columns = np.arange(points)
    means = (sums / np.maximum(seen, 1))[seen > 0]
    return np.asarray(np.interp(columns, columns[seen > 0], means), np.float64)


def _range_limits(rows: Floats) -> tuple[float, float]:
    """Return what a forecast beside the price can be, from the middle of what was seen."""
    seen = rows[np.isfinite(rows)]
    if len(seen) < _LEAST_SEEN * rows.shape[1]:
        return -np.inf, np.inf
    low, high = np.quantile(seen, (0.05, 0.95))
    spare = _SPARE * (high - low) + 1e-9
    return float(low - spare), float(high + spare)


def _mended(rows: Floats, limits: tuple[float, float], name: str, flags: list[str]) -> Floats:
    """Fill what is missing or absurd from the week, or the day, before; say so in the flags."""
    missing = ~np.isfinite(rows)
    with np.errstate(invalid="ignore"):
        absurd = ~missing & ((rows < limits[0]) | (rows > limits[1]))
    bad = missing | absurd
    if not bad.any():
        return rows
    if bad.all():
        raise BadSeries(f"{name} is missing or absurd throughout; give a series with values")
    if missing.any():
        flags.append(f"{name}: {int(missing.sum())} values missing, filled from the week before")
    if absurd.any():
        flags.append(f"{name}: {int(absurd.sum())} absurd values, filled from the week before")
    mended = np.where(bad, np.nan, rows)
    for row in np.flatnonzero(bad.any(1)):
        for back in (_WEEK, 1, 2 * _WEEK):
            if row >= back:
                mended[row] = np.where(np.isnan(mended[row]), mended[row - back], mended[row])
    if np.isnan(mended).any():  # at the beginning nothing lies before
        usual = np.nanmedian(mended, axis=0)
        usual = np.where(np.isnan(usual), np.nanmedian(mended), usual)
        mended = np.where(np.isnan(mended), usual, mended)
    return mended


def _carried(rows: Floats) -> Floats:
    """Return means of days, with the last one known wherever there is none."""
    seen = np.isfinite(rows)
    counts = seen.sum(axis=1)
    daily = np.where(counts, np.where(seen, rows, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan)
    known = np.where(np.isfinite(daily), np.arange(len(daily)), -1)
    last = np.maximum.accumulate(known)
    first = int(np.argmax(known >= 0))
    return np.asarray(daily[np.where(last < 0, first, last)], np.float64)
