"""One back-test: prices that come, inputs as they were seen, and what a strategy did with them.

What a strategy is told and what it is settled at are two things: `seen` may lack values, have
them late or hold absurd ones, as happens; money is always counted at the prices that came.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.prices import Prices
from cloud.market.battery import Battery
from cloud.market.bidding.curves import Bands

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PROFILE_DAYS = 7
"""Days of the profile of past prices; the last whole one before the day that becomes known."""


@dataclass(frozen=True)
class Wanted:
    """What the strategies that choose or learn are given.

    Attributes:
        cvar_cap: most mean loss of the worst 5 % of days that a position may have, per MW.
        policy: folder in which a policy is trained and kept; None: none is.
        policy_steps: of practice for each seed.
        policy_seeds: how many are trained and averaged.
        policy_as_is: the policy in the folder bids as it was trained and judged before.
        tell: told of long work: what, done, of how much.
    """

    cvar_cap: float = 40.0
    policy: Path | None = None
    policy_steps: int = 4_000_000
    policy_seeds: int = 2
    policy_as_is: bool = False
    tell: Callable[[str, int, int], None] | None = None


@dataclass(frozen=True)
class Case:
    """What all strategies of a back-test share.

    Attributes:
        prices: that came.
        seen: the same as a strategy was told them.
        battery: what bids.
        bands: what the market takes of a curve.
        known_minute: local minute at which the next day's day-ahead prices become known.
        gate_minute: local minute of the day before at which day-ahead bids are due.
        train_to: last local day (number) of the training period.
        first, last: local days tested.
        absurd: prices outside are not believed, (least, greatest).
        zone: IANA name of the market's local time.
        wanted: see `Wanted`.
    """

    prices: Prices
    seen: Prices
    battery: Battery
    bands: Bands
    known_minute: int
    gate_minute: int
    train_to: int
    first: int
    last: int
    absurd: tuple[float, float]
    zone: str = "UTC"
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def span(self) -> slice:
        """The tested steps."""
        return slice(self.prices.first_of(self.first), self.prices.first_of(self.last + 1))

    @property
    def training(self) -> slice:
        """The steps that may be trained on."""
        return slice(0, self.prices.first_of(self.train_to + 1))


@dataclass(frozen=True)
class Outcome:
    """What a strategy did.

    Attributes:
        money: of each tested step, wear counted, shape (steps,).
        power_mw: at the point of connection, shape (steps,).
        infeasible: bids that the battery could not follow or the market would not take.
        fallbacks: days on which an input was missing, late or absurd and another stood in.
        notes: what a reader must know.
    """

    money: Floats
    power_mw: Floats
    infeasible: int = 0
    fallbacks: int = 0
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Believed:
    """What could be believed of prices, by step.

    Attributes:
        price: real-time, NaN where it was not seen or absurd, shape (steps,).
        day_ahead: the same; all NaN without such a market.
        profile: mean of the same step on seven days before, shape (steps,).
        fallback: steps at which the day-ahead price should have been there and was not.
    """

    price: Floats
    day_ahead: Floats
    profile: Floats
    fallback: npt.NDArray[np.bool_]


def believe(case: Case) -> Believed:
    """Sort out what can be believed of what was seen."""
    low, high = case.absurd
    price = _within(case.seen.price, low, high)
    has_market = case.seen.day_ahead is not None
    given = case.seen.day_ahead if case.seen.day_ahead is not None else np.full(len(price), np.nan)
    day_ahead = _within(given, low, high)
    return Believed(
        price,
        day_ahead,
        profile(price, case.seen.steps_a_day, 2 if has_market else 1),
        np.isnan(day_ahead) if has_market else np.isnan(price),
    )


def profile(price: Floats, steps_a_day: int, first: int) -> Floats:
    """Return the mean of the same step on seven days before; what is known, else 0.

    Args:
        price: shape (steps,).
        steps_a_day: steps of a day.
        first: the newest of the days: 1 for the day before, 2 for that before it, where tomorrow
            must be believed while today is not over.
    """
    total, count = np.zeros(len(price)), np.zeros(len(price))
    for days in range(first, first + PROFILE_DAYS):
        past = np.full(len(price), np.nan)
        past[days * steps_a_day :] = price[: len(price) - days * steps_a_day]
        known = np.isfinite(past)
        total[known] += past[known]
        count[known] += 1
    overall = np.nanmean(price[: 9 * steps_a_day]) if np.isfinite(price).any() else 0.0
    return np.where(count > 0, total / np.maximum(count, 1), np.nan_to_num(overall))


def _within(values: Floats, low: float, high: float) -> Floats:
    return np.where((values >= low) & (values <= high), values, np.nan)
