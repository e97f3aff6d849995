"""Opportunity values over years, each from what was known when it was made.

Prices of tomorrow become known once a day; from then to the same time of the next day nothing
else does, so one pass of the dynamic programme values all steps between. The chain of residuals
is estimated anew every week from the window before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.case import Believed, Case, believe
from cloud.market.bidding.chain import Chain, certain_chain, fit_chain
from cloud.market.bidding.value import POINTS, Values, opportunity_value

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WINDOW_DAYS = 180
"""The chain is estimated from so many days."""
EVERY_DAYS = 7
DAY_AHEAD_SHARE = 0.75
"""Of the base; the rest is the profile of the days before. Chosen on 2024 of ERCOT."""
_TAIL_DAYS = 1
"""Beyond what is known, the last known day is taken to come once more."""

Remake = Callable[[Chain], Chain]


@dataclass(frozen=True)
class Horizon:
    """Steps between two moments at which prices become known.

    Attributes:
        begin, end: steps that are valued from what was known at `begin`.
        places: steps of the horizon's bases, beyond what is known those of the day before,
            shape (steps,).
        believed_to: first step whose day-ahead price was not known.
    """

    begin: int
    end: int
    places: Ints
    believed_to: int


@dataclass(frozen=True)
class Rolled:
    """Values for a span of steps.

    Attributes:
        left: of the energy left after each step, shape (steps, states, points).
        means: of the chain's states in each step, shape (steps, states).
        base: price expected of each step, shape (steps,).
        offset: of the chain.
        fallbacks: days on which the day-ahead price was missing or absurd.
    """

    left: Floats
    means: Floats
    base: Floats
    offset: float
    fallbacks: int

    def state_price(self) -> Floats:
        """Return the price of each of the chain's states, shape (steps, states)."""
        return self.base[:, None] + (self.offset + np.abs(self.base))[:, None] * self.means


def base_price(case: Case, believed: Believed) -> Floats:
    """Return what is expected of each step's price once its day-ahead price is known."""
    if case.prices.day_ahead is None:
        return believed.profile
    mixed = DAY_AHEAD_SHARE * believed.day_ahead + (1 - DAY_AHEAD_SHARE) * believed.profile
    return np.where(np.isnan(mixed), believed.profile, mixed)


def horizons(case: Case, first: int, last: int) -> Iterator[Horizon]:
    """Yield the horizons that cover the steps of the local days from first to last."""
    prices, count = case.prices, len(case.prices.price)
    minute = case.known_minute if prices.day_ahead is not None else 0
    starts = [
        prices.first_of(day) + minute // prices.step_min
        for day in range(first - 1, last + 2)
        if prices.first_of(day) < count
    ]
    for begin, end in zip(starts, [*starts[1:], count], strict=True):
        if begin >= count or end <= begin:
            continue
        known = prices.first_of(int(prices.day[begin]) + (2 if minute else 1))
        known = max(known, begin + 1)
        places = np.arange(begin, known + _TAIL_DAYS * prices.steps_a_day)
        while (places >= known).any():
            places = np.where(places >= known, places - prices.steps_a_day, places)
        yield Horizon(begin, min(end, count), np.maximum(places, 0), known)


def chain_before(case: Case, believed: Believed, base: Floats, step: int) -> Chain:
    """Estimate the chain from the window that ends before a step."""
    first = case.prices.first_of(int(case.prices.day[step]) - WINDOW_DAYS)
    past = slice(first, step)
    return fit_chain(believed.price[past], base[past], case.prices.minutes[past])


def roll_values(
    case: Case, first: int, last: int, *, remake: Remake | None = None, certain: bool = False
) -> Rolled:
    """Value the energy after every step of the local days from first to last.

    Args:
        case: the back-test.
        first: local day.
        last: local day.
        remake: changes each chain that was estimated.
        certain: believe the base; no chain is estimated.
    """
    believed = believe(case)
    base = base_price(case, believed)
    prices = case.prices
    span = slice(prices.first_of(first), prices.first_of(last + 1))
    parts: list[tuple[Horizon, Values]] = []
    chain = certain_chain()
    for number, horizon in enumerate(horizons(case, first, last)):
        if not certain and (number % EVERY_DAYS == 0 or chain.means.size == 1):
            chain = chain_before(case, believed, base, horizon.begin)
            chain = remake(chain) if remake else chain
        parts.append((horizon, _valued(case, chain, base, horizon)))
    return _together(case, parts, base, span, believed)


def _valued(case: Case, chain: Chain, base: Floats, horizon: Horizon) -> Values:
    prices = case.prices
    steps = np.arange(len(horizon.places)) * prices.step_min
    keep = horizon.end - horizon.begin
    found = opportunity_value(
        case.battery,
        chain,
        base[horizon.places],
        (prices.minutes[horizon.begin] + steps) % (24 * 60),
        start_ms=prices.start_ms + horizon.begin * prices.step_min * 60_000,
        step_min=prices.step_min,
    )
    return Values(
        found.start_ms,
        found.step_min,
        found.base[:keep],
        found.minutes[:keep],
        chain,
        found.left[:keep].copy(),
        found.battery,
    )


def _together(
    case: Case,
    parts: list[tuple[Horizon, Values]],
    base: Floats,
    span: slice,
    believed: Believed,
) -> Rolled:
    states = max(values.chain.means.shape[1] for _, values in parts)
    count = span.stop - span.start
    left = np.zeros((count, states, POINTS))
    means = np.zeros((count, states))
    for horizon, values in parts:
        begin, end = max(horizon.begin, span.start), min(horizon.end, span.stop)
        if begin >= end:
            continue
        inside = slice(begin - horizon.begin, end - horizon.begin)
        target = slice(begin - span.start, end - span.start)
        own = values.chain.means[values.chain.block(case.prices.minutes[begin:end])]
        lacking = states - own.shape[1]
        # A chain of one state stands for all of them, until there is history for more.
        means[target] = np.pad(own, ((0, 0), (0, lacking)), mode="edge")
        left[target] = np.pad(values.left[inside], ((0, 0), (0, lacking), (0, 0)), mode="edge")
    lost = believed.fallback[span]
    fallbacks = len(np.unique(case.prices.day[span][lost]))
    return Rolled(left, means, base[span], parts[0][1].chain.offset, fallbacks)
