"""What a bid would come to if the forecast missed as it has missed so far.

The forecasts that past bids were made on are kept, and so are the prices that came. How the two
differed follows a Markov chain of its own (`ResidualChain`): a miss lasts for some hours. Paths of
it around the present forecast weigh the bid anew, apart from the bands that the forecast claims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.battery import Battery
from cloud.market.bid import BidSet
from cloud.market.desk.weighing import follow_together
from cloud.market.forecast import Floats, Forecast
from cloud.market.forecasts import ResidualChain
from cloud.market.forecasts.kept import KeptDay
from cloud.market.forecasts.residual_chain import real_time_price, scaled_residual
from cloud.market.risk import Risk, var_cvar
from cloud.market.units import DAY_MIN, MINUTE_MS

SHARES: Final = (0.05, 0.2, 0.5, 0.2, 0.05)
"""Of the residuals in each state: fewer states than of real-time prices, since days are few."""
LEAST_DAYS: Final = 21
"""A hundred hourly residuals for each of the five states."""
_PATHS: Final = 1_000
_LEVEL: Final = 0.95
_BINS: Final = 24
_FAN: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_SAMPLES: Final = 5


@dataclass(frozen=True)
class ResidualDays:
    """Possible days by past misses.

    Attributes:
        days: past days that the chain has learnt from.
        risk: of the bid.
        edges, counts: histogram of revenue, shape (bins + 1,) and (bins,).
        fan: of the price, quantiles of 5, 25, 50, 75 and 95 %, shape (5, intervals).
        paths: some days, shape (5, intervals).
    """

    days: int
    risk: Risk
    edges: Floats
    counts: tuple[int, ...]
    fan: Floats
    paths: Floats


def usable(kept: Sequence[KeptDay], forecast: Forecast) -> list[KeptDay]:
    """Return the past days whose forecast and prices are whole and of the forecast's step.

    A forecast that was made when prices of its day were known has missed nothing and is left out.
    """
    points = DAY_MIN // forecast.step_min
    return [
        one
        for one in sorted(kept, key=lambda one: one.day)
        if not one.late
        and one.forecast.step_min == forecast.step_min
        and len(one.forecast.mean) == len(one.came) == points
        and bool(np.isfinite(one.came).all())
    ]


def residual_days(
    offers: BidSet,
    battery: Battery,
    forecast: Forecast,
    kept: Sequence[KeptDay],
    *,
    beside: Mapping[int, float],
    seed: int,
    worth: float | None = None,
) -> ResidualDays | None:
    """Weigh a bid set of energy with paths of the chain of past misses.

    Args:
        offers: what is weighed.
        battery: of the station.
        forecast: of the day, from its beginning on.
        kept: past days.
        beside: power promised beside the offers, MW by interval.
        seed: equal bids are weighed with equal days.
        worth: of a MWh left in store; None: it counts nothing.

    Returns:
        None: there are fewer than `LEAST_DAYS` whole days, or the forecast does not reach over all
        intervals.
    """
    past = usable(kept, forecast)
    starts = np.array([one.start_ms for one in offers.intervals], np.int64)
    places = (starts - forecast.start_ms) // (forecast.step_min * MINUTE_MS)
    points = len(forecast.mean)
    if len(past) < LEAST_DAYS or places.min() < 0 or places.max() >= points:
        return None
    chain = _fitted(past, forecast.step_min)
    rng = np.random.default_rng(seed)
    # The first day runs the chain in: how yesterday ended is not known when the bid is made.
    drawn = chain.sample(_PATHS, 2 * points, len(SHARES) // 2, rng, step_min=forecast.step_min)
    prices = real_time_price(drawn[:, points:], forecast.mean)[:, places]
    revenue = follow_together(offers, prices, battery, beside, worth).revenue
    counts, edges = np.histogram(revenue, _BINS)
    order = np.argsort(revenue, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, _SAMPLES).round().astype(np.int64)]
    return ResidualDays(
        len(past),
        var_cvar(revenue, _LEVEL),
        edges,
        tuple(counts.tolist()),
        np.quantile(prices, _FAN, axis=0),
        prices[shown],
    )


def _fitted(past: Sequence[KeptDay], step_min: int) -> ResidualChain:
    """Fit the chain; between days that do not follow one another lies a gap."""
    points = DAY_MIN // step_min
    rows: list[Floats] = []
    for number, one in enumerate(past):
        if number and (one.day - past[number - 1].day).days != 1:
            rows.append(np.full(points, np.nan))
        rows.append(scaled_residual(one.came, one.forecast.mean))
    minutes = np.tile(np.arange(points) * step_min, len(rows))
    return ResidualChain.fit(np.concatenate(rows), minutes, shares=SHARES)
