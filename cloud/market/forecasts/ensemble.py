"""The forecast that bids are made on: all members, weighted by how they did, with honest bands."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud.market.errors import BadSeries
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts.calibration import Calibration
from cloud.market.forecasts.capture import earnings
from cloud.market.forecasts.days import PRICE_LIMITS, DayTable, day_table
from cloud.market.forecasts.history import LEAST_DAYS, Floats, History, check_length
from cloud.market.forecasts.members import FIRST_ROW, Member, all_members, ask
from cloud.market.forecasts.weighting import Weighting
from cloud.market.units import MINUTE_MS

VERSION: Final = "ensemble/1"
_WARM_UP_DAYS: Final = 84  # forecast in hindsight before the first real one: for weights and bands


@dataclass(frozen=True)
class Mixed:
    """A day's mixture of members.

    Attributes:
        mean: shape (points,).
        quantiles: shape (points, levels).
        weights: of the members, shape (members,).
    """

    mean: Floats
    quantiles: Floats
    weights: Floats


class Mixer:
    """Mixes what members say, day after day, and learns from what came.

    Args:
        members: how many.
        points: times of a day.
        by_money: whether captured money counts; it says nothing of a load.
    """

    def __init__(
        self,
        members: int,
        points: int,
        weighting: Weighting | None = None,
        *,
        by_money: bool = True,
    ) -> None:
        self._weighting = weighting or Weighting()
        self._by_money = by_money
        self._calibration = Calibration(points)
        self._said: list[Floats] = []
        self._came: list[Floats] = []
        self._earned: list[Floats] = []
        self._members = members

    def mix(self, said: Floats) -> Mixed:
        """Return the mixture of what the members say, shape (members, points)."""
        weights = self._weights()
        mean = weights @ said
        apart = np.sqrt(weights @ (said - mean) ** 2)
        return Mixed(mean, self._calibration.quantiles(mean, apart), weights)

    def learn(self, said: Floats, mixed: Mixed, came: Floats, earned: Floats) -> None:
        """Take in what came of a day, and what plans on it earned (see `earned_by`)."""
        apart = np.sqrt(mixed.weights @ (said - mixed.mean) ** 2)
        self._calibration.learn(mixed.mean, apart, came, mixed.quantiles)
        self._said.append(said)
        self._came.append(came)
        self._earned.append(earned)
        for kept in (self._said, self._came, self._earned):
            del kept[: -self._weighting.days]

    def _weights(self) -> Floats:
        if not self._said:
            return np.full(self._members, 1.0 / self._members)
        captured = np.zeros(self._members)
        if self._by_money:
            earned = np.sum(self._earned, axis=0)
            captured = earned[:-1] / max(float(earned[-1]), 1e-9)
        return self._weighting.weights(np.stack(self._said, axis=1), np.stack(self._came), captured)


def earned_by(said: Floats, came: Floats) -> Floats:
    """Return what each day's plan on each member, and on what came, earned.

    Args:
        said: shape (members, days, points).
        came: shape (days, points).

    Returns:
        Shape (days, members + 1); perfect foresight last.
    """
    plans = np.concatenate([said, came[None]])
    paid = np.broadcast_to(came, plans.shape)
    members, days, points = plans.shape
    earned = earnings(plans.reshape(-1, points), paid.reshape(-1, points))
    return earned.reshape(members, days).T


class Ensemble:
    """Forecasts of one series by all members.

    Every forecast is made as if on its day: `fit` may be given more than was known then, rows of
    the day itself and after it are not looked at.

    Args:
        series: what is forecast, as "price.day_ahead" or "load".
        members: who; everyone without it.
        allow_short: train on less than three years and flag it.
        limits: values outside are taken for mistakes.
    """

    def __init__(
        self,
        series: str = "price.day_ahead",
        *,
        members: Sequence[Member] | None = None,
        allow_short: bool = False,
        limits: tuple[float, float] = PRICE_LIMITS,
        warm_up_days: int = _WARM_UP_DAYS,
    ) -> None:
        self.series = series
        self._members = tuple(members) if members is not None else all_members()
        self._allow_short, self._limits, self._warm_up = allow_short, limits, warm_up_days
        self._history: History | None = None
        self._by_money = series.startswith("price")
        self._said: dict[dt.date, tuple[Floats, tuple[str, ...]]] = {}
        self._mixer: Mixer | None = None
        self._learnt_to: dt.date | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the members."""
        return tuple(member.name for member in self._members)

    def fit(self, history: History) -> None:
        """Take a history; models are fitted when a day is asked for.

        What was said of days before stays, so that giving a history that is one day longer costs
        one day.

        Raises:
            TooLittleHistory: it holds less than three years and that was not allowed.
        """
        check_length(history, self.series, allow_short=self._allow_short)
        self._history = history

    def forecast(self, day_start_ms: int, known_ms: int) -> Forecast:
        """Forecast the market day that begins at a time.

        Args:
            day_start_ms: the market's local midnight, UTC epoch.
            known_ms: nothing that became known later is looked at.

        Raises:
            BadSeries: nothing was fitted, or the day lies too early or beyond the history.
        """
        if self._history is None:
            raise BadSeries("no history yet: call fit first")
        history = _known_at(self._history, day_start_ms, known_ms)
        table = day_table(history, limits=self._limits)
        row = table.row_of(day_start_ms)
        if row < FIRST_ROW:
            raise BadSeries(
                f"{table.dates[row]} has {row} days before it; at least {FIRST_ROW} are needed"
            )
        flags = list(table.flags)
        if row < LEAST_DAYS:
            flags.append(f"short history: {row:,} of {LEAST_DAYS:,} days")
        mixer = self._learnt(table, row)
        self._said.pop(table.dates[row], None)  # more may be known than when it was asked last
        said, failed = self._ask(table, row)
        mixed = mixer.mix(said)
        return self._forecast(table, row, known_ms, said, mixed=mixed, flags=(*flags, *failed))

    def _learnt(self, table: DayTable, row: int) -> Mixer:
        """Return the mixture that has learnt from the days before a row."""
        day = table.dates[row]
        mixer, first = self._mixer, max(FIRST_ROW, row - self._warm_up)
        if mixer is not None and self._learnt_to is not None and self._learnt_to < day:
            first = max(first, table.dates.index(self._learnt_to) + 1)
        else:
            mixer = Mixer(len(self._members), table.points, by_money=self._by_money)
        if first < row:
            every = np.stack([self._ask(table, past)[0] for past in range(first, row)], axis=1)
            came = table.price[first:row]
            earned = earned_by(every, came)
            for at in range(row - first):
                mixer.learn(every[:, at], mixer.mix(every[:, at]), came[at], earned[at])
        self._mixer, self._learnt_to = mixer, table.dates[row - 1]
        return mixer

    def _ask(self, table: DayTable, row: int) -> tuple[Floats, tuple[str, ...]]:
        day = table.dates[row]
        if day not in self._said:
            self._said[day] = ask(self._members, table, row)
            oldest = day - dt.timedelta(days=2 * self._warm_up + 1)
            self._said = {one: said for one, said in self._said.items() if one >= oldest}
        return self._said[day]

    def _forecast(
        self,
        table: DayTable,
        row: int,
        known_ms: int,
        said: Floats,
        *,
        mixed: Mixed,
        flags: tuple[str, ...],
    ) -> Forecast:
        at = table.columns(row)
        return Forecast(
            series=self.series,
            start_ms=int(table.starts_ms[row]),
            step_min=table.step_min,
            known_ms=known_ms,
            mean=mixed.mean[at],
            quantiles=mixed.quantiles[at],
            version=VERSION,
            levels=LEVELS,
            members=dict(zip(self.members, said[:, at], strict=True)),
            weights=dict(zip(self.members, mixed.weights.tolist(), strict=True)),
            flags=flags,
        )


def _known_at(history: History, day_start_ms: int, known_ms: int) -> History:
    """Return the history as it was known: no price of the day or after it, none known later."""
    step_ms = history.step_min * MINUTE_MS
    count = min(len(history.price), max(0, (day_start_ms - history.start_ms) // step_ms))
    price = history.price[:count]
    if history.known_ms is not None:
        price = np.where(history.known_ms[:count] <= known_ms, price, np.nan)
    return replace(history, price=price, known_ms=None)
