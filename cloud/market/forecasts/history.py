"""What a forecast is made from: a series, what was forecast beside it, and when it was known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cloud.market.errors import BadSeries, TooLittleHistory
from cloud.market.units import MINUTE_MS

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

DAY_MS = 24 * 60 * MINUTE_MS
LEAST_DAYS = 3 * 365
"""Three trading years (guide on storage stations, annex 1, 9): what a model may be trained on
without being flagged."""

_STEPS = (5, 10, 15, 20, 30, 60)


@dataclass(frozen=True)
class History:
    """A series by equal intervals with what is known beside it; NaN where nothing is known.

    Attributes:
        start_ms: UTC epoch of the first interval.
        step_min: minutes an interval; a divisor of an hour, 5 or more.
        price: what is to be forecast, shape (intervals,): a price, a load, a use of regulation.
        exogenous: day-ahead forecasts (load, wind, solar, ...) that are known at gate closure;
            each of the length of `price` or longer: also of the day that is to be forecast.
        settled: daily values (fuels, allowances) that are known only two days later; each of
            the length of `price` or longer.
        known_ms: UTC epoch at which each price became known, shape (intervals,); None: by day
            ahead, so that all prices before the day that is forecast are known.
        zone: IANA zone in whose days the market trades.
    """

    start_ms: int
    step_min: int
    price: Floats
    exogenous: Mapping[str, Floats] = field(default_factory=dict)
    settled: Mapping[str, Floats] = field(default_factory=dict)
    known_ms: Times | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what is no history.

        Raises:
            BadSeries: the step is none, or a series is shorter than the price.
        """
        if self.step_min not in _STEPS:
            raise BadSeries(
                f"step of {self.step_min} minutes: give a series by {_STEPS} minutes; average "
                "finer values first"
            )
        if self.price.ndim != 1 or not len(self.price):
            raise BadSeries("the price holds no intervals; give a series of one dimension")
        for name, values in {**self.exogenous, **self.settled}.items():
            if values.ndim != 1 or len(values) < len(self.price):
                raise BadSeries(
                    f"{name} has {len(values)} intervals, the price {len(self.price)}: give all "
                    "series on the same grid, with NaN where nothing is known"
                )
        if self.known_ms is not None and len(self.known_ms) != len(self.price):
            raise BadSeries("known_ms must have one time for each price")

    @property
    def days(self) -> float:
        """Days between the first and the last interval with a price."""
        known = np.flatnonzero(np.isfinite(self.price))
        if not len(known):
            return 0.0
        return float(known[-1] - known[0] + 1) * self.step_min * MINUTE_MS / DAY_MS


def check_length(history: History, what: str, *, allow_short: bool) -> tuple[str, ...]:
    """Return flags for a history shorter than three years.

    Raises:
        TooLittleHistory: it is shorter and that was not allowed.
    """
    if history.days >= LEAST_DAYS:
        return ()
    if not allow_short:
        raise TooLittleHistory(what, history.days, LEAST_DAYS)
    return (f"short history: {history.days:,.0f} of {LEAST_DAYS:,} days",)
