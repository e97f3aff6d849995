"""From stored prices to what a policy learns on, and the last weeks that it never sees.

Prices are read as they were known at one time, so that a training that was cut finds the same
again. Few holes are filled with the day before; more are refused, as they teach what never was.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.db import Pool
from cloud.market import prices
from cloud.market.backtest.ahead import WARM_UP_DAYS
from cloud.market.backtest.case import Case
from cloud.market.backtest.learnt import LEAST_DAYS, course_of, learnt_and_unseen
from cloud.market.backtest.prices import Prices, hold, on_local_days
from cloud.market.backtest.rolling import roll_values
from cloud.market.backtest.rules import (
    bands_of,
    believable,
    energy_product,
    gate_minute,
    results_minute,
)
from cloud.market.battery import Battery
from cloud.market.bidding.policy_course import Course
from cloud.market.errors import BadSeries, TooLittleHistory
from cloud.market.exchanges import Market
from cloud.market.forecasts.history import LEAST_DAYS as THREE_YEARS_DAYS
from cloud.market.prices import Kind, Reading
from cloud.market.retraining.wish import Wish
from cloud.market.units import DAY_MIN, DAY_MS

Floats = npt.NDArray[np.float64]

READ_DAYS: Final = 4 * 366
"""As the forecasts of the desk: older prices were made by another market."""
MOST_HOLES: Final = 0.01
"""Of all steps, so many may be filled: some days in four years."""
_ENERGY: Final = (Kind.REAL_TIME, Kind.INTRADAY, Kind.DAY_AHEAD)
_WEEK_DAYS: Final = 7
_EPOCH: Final = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Courses:
    """What is learnt on and what is kept for the gate.

    Attributes:
        learnt: the first steps.
        unseen: the later ones.
        days: number of the local day of each unseen step, shape (steps,).
        span: first local day learnt on, first unseen, last.
        notes: what must be said, in English.
    """

    learnt: Course
    unseen: Course
    days: npt.NDArray[np.int64]
    span: tuple[dt.date, dt.date, dt.date]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """Prices of whole local days from the store, without holes, and what must be said of them."""

    prices: Prices
    known_minute: int
    notes: tuple[str, ...]


async def read_stored(pool: Pool, wish: Wish, market: Market, known_ms: int) -> Stored:
    """Read the last years of a price as they were known at a time.

    Raises:
        BadSeries: a series is missing, empty, no price of energy, or has too many holes.
        TooLittleHistory: less than three years are stored, and that was not allowed.
    """
    from_ms = known_ms - READ_DAYS * DAY_MS
    reading = await _read(pool, wish.price, from_ms, known_ms)
    known = np.flatnonzero(np.isfinite(reading.value))
    if not len(known):
        raise BadSeries(f"series {wish.price} holds no prices of the last years: import them first")
    inside = slice(known[0], known[-1] + 1)
    times, price = reading.start_ms[inside], reading.value[inside]
    flags = _check_length(wish, len(price) * reading.step_min / DAY_MIN)
    filled, holes = _filled(wish.price, times, price, DAY_MIN // reading.step_min)
    ahead, minute = None, results_minute(market)
    if wish.day_ahead is not None:
        rule = (await prices.find(pool, wish.day_ahead)).series.publication
        minute = rule.minute_before if rule.minute_before is not None else minute
        told = await _read(pool, wish.day_ahead, from_ms, known_ms)
        ahead = hold(wish.day_ahead, told.start_ms, told.value, times, reading.step_min)
        if not np.isfinite(ahead).any():
            raise BadSeries(f"series {wish.day_ahead} holds no prices of that time: import them")
    zone = market.calendar.zone
    found = _whole_days(on_local_days(times, filled, reading.step_min, zone, day_ahead=ahead))
    return Stored(found, minute, (*flags, *holes))


def make_courses(stored: Stored, wish: Wish, market: Market, battery: Battery) -> Courses:
    """Value the energy of all steps and cut off what is kept for the gate.

    Raises:
        BadSeries: there are too few days to learn on at all.
    """
    found = stored.prices
    unseen_days = wish.unseen_weeks * _WEEK_DAYS
    begin, last = int(found.day[0]) + WARM_UP_DAYS, int(found.day[-1])
    need = WARM_UP_DAYS + LEAST_DAYS + unseen_days
    have = last - int(found.day[0]) + 1
    if have < need:
        raise BadSeries(
            f"series {wish.price} has {have} whole days; {need} are the least: {WARM_UP_DAYS} to "
            f"begin with, {LEAST_DAYS} to learn on, {unseen_days} for the gate. Import older ones"
        )
    case = _case(stored, market, battery)
    learnt, unseen, days = learnt_and_unseen(case, begin, unseen_days)
    span = tuple(_EPOCH + dt.timedelta(days=n) for n in (begin, last + 1 - unseen_days, last))
    return Courses(learnt, unseen, days, (span[0], span[1], span[2]), stored.notes)


def unseen_with(
    stored: Stored, wish: Wish, market: Market, battery: Battery, measure: float
) -> Course:
    """Return the steps that are kept for the gate as a policy with another measure sees them."""
    case = _case(stored, market, battery)
    first = case.last + 1 - wish.unseen_weeks * _WEEK_DAYS
    return course_of(replace(case, first=first), roll_values(case, first, case.last), measure)


def _case(stored: Stored, market: Market, battery: Battery) -> Case:
    found, product = stored.prices, energy_product(market)
    last = int(found.day[-1])
    return Case(
        prices=found,
        seen=found,
        battery=battery,
        bands=bands_of(product),
        known_minute=stored.known_minute,
        gate_minute=gate_minute(market),
        train_to=last,
        first=last,
        last=last,
        absurd=believable(product),
        zone=market.calendar.zone,
    )


async def _read(pool: Pool, series: str, from_ms: int, known_ms: int) -> Reading:
    kept = await prices.find(pool, series)
    if kept.series.kind not in _ENERGY:
        raise BadSeries(
            f"series {series} is of kind {kept.series.kind}; a policy bids at a price of energy: "
            f"name a series of {', '.join(_ENERGY)}"
        )
    return await prices.read(pool, series, from_ms, known_ms, known_ms)


def _check_length(wish: Wish, days: float) -> tuple[str, ...]:
    """Return flags for less than three years.

    Raises:
        TooLittleHistory: that was not allowed.
    """
    if days >= THREE_YEARS_DAYS:
        return ()
    if not wish.allow_short:
        raise TooLittleHistory(f"series {wish.price}", days, THREE_YEARS_DAYS)
    return (f"short history: {days:,.0f} of {THREE_YEARS_DAYS:,} days",)


def _filled(
    series: str, times: npt.NDArray[np.int64], price: Floats, steps_a_day: int
) -> tuple[Floats, tuple[str, ...]]:
    """Fill holes with the same step of the day before; the first price stands in at the start."""
    holes = np.flatnonzero(~np.isfinite(price))
    if not len(holes):
        return price, ()
    if len(holes) > MOST_HOLES * len(price):
        first = dt.datetime.fromtimestamp(int(times[holes[0]]) / 1e3, dt.UTC)
        raise BadSeries(
            f"series {series}: {len(holes):,} of {len(price):,} steps have no price, the first at "
            f"{first:%Y-%m-%dT%H:%MZ}; at most {MOST_HOLES:.0%} may lack: import them"
        )
    out = price.copy()
    for place in holes.tolist():
        out[place] = out[max(place - steps_a_day, 0)]
    return out, (f"{len(holes):,} steps without a price have that of the day before",)


def _whole_days(found: Prices) -> Prices:
    """Cut a first and a last day that are not whole."""
    step = found.step_min
    first = int(found.day[0]) + (1 if found.minutes[0] else 0)
    last = int(found.day[-1]) - (0 if found.minutes[-1] + step == DAY_MIN else 1)
    part = slice(found.first_of(first), found.first_of(last + 1))
    if part.start >= part.stop:
        raise BadSeries("the series holds no whole day of the market: import more prices")
    ahead = found.day_ahead
    return Prices(
        start_ms=found.start_ms + part.start * step * 60_000,
        step_min=step,
        price=found.price[part],
        day_ahead=None if ahead is None else ahead[part],
        day=found.day[part],
        minutes=found.minutes[part],
    )
