"""What is known of a product's own price and of the day-ahead price when its curves are made.

What a back-test sees at that time, and values as it does; a test compares both.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.db import Pool
from cloud.market import prices
from cloud.market.backtest.case import Case, believe
from cloud.market.backtest.prices import Prices, hold, on_local_days
from cloud.market.backtest.rolling import WINDOW_DAYS, base_price, chain_before
from cloud.market.backtest.rules import believable, gate_minute, results_minute
from cloud.market.bidding import Bands, Values
from cloud.market.bidding.policy_features import Seen, market_features
from cloud.market.bidding.value import opportunity_value
from cloud.market.desk.drafting import DraftRequest
from cloud.market.errors import BadSeries
from cloud.market.exchanges import Product
from cloud.market.units import DAY_MIN, DAY_MS, MINUTE_MS

Floats32 = npt.NDArray[np.float32]

_LEAST_DAYS: Final = 28
"""Of real-time prices, below which no chain of them is believed; as a back-test asks for."""


@dataclass(frozen=True)
class View:
    """What is known of both prices, up to the last step whose price is expected.

    Attributes:
        prices: real-time prices, NaN from the present on, and day-ahead prices as far as known.
        begin: step that the offer begins with.
        known_to: first step whose day-ahead price is not known, or that after the day's end.
    """

    prices: Prices
    begin: int
    known_to: int

    def prices_within(self, begin_ms: int, end_ms: int) -> dict[int, float]:
        """Return the real-time prices known of a span, by the beginning of their step, UTC ms."""
        first, step_ms = self.prices.start_ms, self.prices.step_min * MINUTE_MS
        steps = range(max(begin_ms - first, 0) // step_ms, max(end_ms - first, 0) // step_ms)
        prices = self.prices.price
        return {first + n * step_ms: float(prices[n]) for n in steps if np.isfinite(prices[n])}


async def read_view(pool: Pool, series: str, ahead: str, asked: DraftRequest) -> View:
    """Read what is known of both prices at a draft's time.

    Raises:
        BadSeries: a series is missing, has another step than the product, or is too short.
    """
    rules, zone = asked.product, asked.market.calendar.zone
    day_end_ms = asked.market.calendar.day_bounds_ms(asked.day)[1]
    from_ms = asked.from_ms - (WINDOW_DAYS + 1) * DAY_MS
    until_ms = day_end_ms + DAY_MS
    came = await prices.read(pool, series, from_ms, until_ms, asked.now_ms)
    if came.step_min != rules.interval_min:
        raise BadSeries(
            f"series {series} is by {came.step_min} minutes, {rules.id} is traded by "
            f"{rules.interval_min}: name a series of its own price"
        )
    told = await prices.read(pool, ahead, from_ms, until_ms, asked.now_ms)
    times, values = came.start_ms, came.value
    known = np.flatnonzero(np.isfinite(values))
    begin = np.flatnonzero(times == asked.from_ms)
    days = len(known) * came.step_min / DAY_MIN
    if days < _LEAST_DAYS or not len(begin):
        raise BadSeries(
            f"series {series} holds {days:.0f} days of the last {WINDOW_DAYS}; at least "
            f"{_LEAST_DAYS} are needed: import its prices"
        )
    first = int(known[0])
    times, values = times[first:], values[first:]
    expected = hold(ahead, told.start_ms, told.value, times, came.step_min)
    last = np.flatnonzero(np.isfinite(expected))
    day_end = int(np.searchsorted(times, day_end_ms))
    known_to = max(day_end, int(last[-1]) + 1 if len(last) else 0)
    market = expected[:known_to] if len(last) else None
    found = on_local_days(
        times[:known_to], values[:known_to], came.step_min, zone, day_ahead=market
    )
    return View(found, int(begin[0]) - first, known_to)


def case_of(view: View, asked: DraftRequest) -> Case:
    """Return the back-test of one day that values what is known as it would have then."""
    found, market = view.prices, asked.market
    day = int(found.day[view.begin])
    return Case(
        prices=found,
        seen=found,
        battery=asked.sold.battery,
        bands=bands_of(asked.product),
        known_minute=results_minute(market),
        gate_minute=gate_minute(market),
        train_to=day,
        first=day,
        last=day,
        absurd=believable(asked.product),
        zone=market.calendar.zone,
    )


def value_ahead(view: View, case: Case) -> Values:
    """Value the energy from the offer's first step to the end of what is known.

    Beyond it the last known day is taken to come once more, as in a back-test.
    """
    found, believed = view.prices, believe(case)
    base = base_price(case, believed)
    places = np.arange(view.begin, view.known_to + found.steps_a_day)
    while (places >= view.known_to).any():
        places = np.where(places >= view.known_to, places - found.steps_a_day, places)
    minutes = found.minutes[view.begin] + np.arange(len(places)) * found.step_min
    return opportunity_value(
        case.battery,
        chain_before(case, believed, base, view.begin),
        base[np.maximum(places, 0)],
        minutes % DAY_MIN,
        start_ms=found.start_ms + view.begin * found.step_min * MINUTE_MS,
        step_min=found.step_min,
    )


def seen_ahead(view: View, case: Case, measure: float) -> Floats32:
    """Return what a policy sees before each step, shape (steps, features).

    Args:
        view: what is known.
        case: of it.
        measure: of the policy's card.
    """
    found, believed = view.prices, believe(case)
    known_to = np.full(len(found.price), view.known_to, np.int64)
    base = base_price(case, believed)
    seen = Seen(believed.price, base, known_to, found.minutes, found.step_min)
    return market_features(seen, case.battery, measure)


def bands_of(rules: Product) -> Bands:
    """Return what a product allows of a curve."""
    return Bands(
        *(rules.max_segments, rules.price_floor, rules.price_cap, rules.price_step),
        rules.power_step_mw,
    )
