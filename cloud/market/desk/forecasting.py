"""Forecasts from the store: read what is known, let the members speak, keep what they said.

The thin layer between the store of prices and the forecasts; training runs in a thread so that
whoever waits for it goes on with other work.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from cloud.db import Pool
from cloud.market import prices
from cloud.market.errors import BadSeries
from cloud.market.exchanges import Market
from cloud.market.forecast import Floats, Forecast
from cloud.market.forecasts import Ensemble, History, Member
from cloud.market.units import DAY_MS, MINUTE_MS
from contract.words import Words

_KEPT_MS: Final = 900_000
"""A forecast stands for a quarter of an hour: what becomes known meanwhile is seen by the next."""
_YEARS: Final = 4
"""Four years are read: the longest window of the models, with what they look back at first."""


@dataclass(frozen=True)
class Sources:
    """Which series of the store a forecast is made from.

    Attributes:
        price: id of the series that is forecast.
        exogenous: by name, ids of series that are known for the day at its gate.
    """

    price: str
    exogenous: Mapping[str, str] = field(default_factory=dict)


class Forecaster:
    """Forecasts of one price, day after day; what was learnt of past days is kept.

    Args:
        market: whose days are forecast.
        sources: series in the store.
        members: who forecasts; None: everyone.
        allow_short: train on less than three years, and flag it.
        warm_up_days: days that are forecast in hindsight first, for weights and bands.
    """

    def __init__(
        self,
        market: Market,
        sources: Sources,
        *,
        members: Sequence[Member] | None = None,
        allow_short: bool = False,
        warm_up_days: int = 84,
    ) -> None:
        self._calendar, self._sources = market.calendar, sources
        self._ensemble = Ensemble(
            members=members, allow_short=allow_short, warm_up_days=warm_up_days
        )
        self._busy = asyncio.Lock()
        self._kept: dict[dt.date, Forecast] = {}

    async def day(self, pool: Pool, day: dt.date, known_ms: int) -> Forecast:
        """Forecast a market day by what was known at a time, or some minutes before it.

        While another day is being learnt, the day's last forecast is returned, however old it is:
        a gate of minutes does not wait for it.

        Raises:
            TooLittleHistory: less than three years are stored, and that was not allowed.
            BadSeries: there is no such series, or the series do not share a step.
        """
        kept = self._kept.get(day)
        age_ms = -1 if kept is None else known_ms - kept.known_ms
        if kept is not None and age_ms >= 0 and (age_ms < _KEPT_MS or self._busy.locked()):
            return kept
        start_ms, end_ms = self._calendar.day_bounds_ms(day)
        zone = self._calendar.zone
        history = await read_history(pool, self._sources, zone, known_ms, end_ms)
        async with self._busy:
            made = await asyncio.to_thread(self._forecast, history, start_ms, known_ms)
        self._kept = {one: kept for one, kept in self._kept.items() if one >= day} | {day: made}
        return made

    def _forecast(self, history: History, start_ms: int, known_ms: int) -> Forecast:
        self._ensemble.fit(history)
        return self._ensemble.forecast(start_ms, known_ms)


async def read_history(
    pool: Pool, sources: Sources, zone: str, known_ms: int, end_ms: int
) -> History:
    """Read the past of a price and what is known beside it, up to the end of the day asked for.

    Raises:
        BadSeries: nothing is stored, or a series has another step.
    """
    from_ms = known_ms - _YEARS * 366 * DAY_MS
    price = await prices.read(pool, sources.price, from_ms, end_ms, known_ms)
    known = np.flatnonzero(np.isfinite(price.value))
    if not len(known):
        raise BadSeries(
            Words(
                f"series {sources.price} holds nothing yet: import its prices first",
                f"序列 {sources.price} 尚无数据：请先导入价格",
            )
        )
    first_ms = int(price.start_ms[known[0]])
    beside: dict[str, Floats] = {}
    for name, series in sources.exogenous.items():
        reading = await prices.read(pool, series, first_ms, end_ms, known_ms)
        if reading.step_min != price.step_min:
            raise BadSeries(
                Words(
                    f"series {series} is by {reading.step_min} minutes, {sources.price} by "
                    f"{price.step_min}: import it by the same step",
                    f"序列 {series} 步长为 {reading.step_min} 分钟，{sources.price} 为 "
                    f"{price.step_min} 分钟：请按相同步长导入",
                )
            )
        beside[name] = reading.value
    return History(
        start_ms=first_ms,
        step_min=price.step_min,
        price=price.value[known[0] :],
        exogenous=beside,
        known_ms=price.known_ms[known[0] :],
        zone=zone,
    )


async def anchored(pool: Pool, forecast: Forecast, series: str, known_ms: int) -> Forecast:
    """Put the prices of a day that are known by now in the place of their forecast.

    What is known of the day-ahead price is the best guess of what is traded within the day; how
    far that lies off it is not known from here, so the forecast's own band is kept around it.
    """
    end_ms = forecast.start_ms + len(forecast.mean) * forecast.step_min * MINUTE_MS
    reading = await prices.read(pool, series, forecast.start_ms, end_ms, known_ms)
    known = np.isfinite(reading.value)
    if reading.step_min != forecast.step_min or len(known) != len(forecast.mean):
        return forecast
    mean = np.where(known, reading.value, forecast.mean)
    shift = (mean - forecast.mean)[:, None]
    return replace(forecast, mean=mean, quantiles=forecast.quantiles + shift)
