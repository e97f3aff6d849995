"""Kept forecasts of bids beside the prices that came, read from the store."""

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cloud.db import Pool, connection
from cloud.market import bids, prices
from cloud.market.bids import Bid
from cloud.market.errors import MarketError
from cloud.market.exchanges import load_market
from cloud.market.forecast import Floats, Forecast
from cloud.market.forecasts import from_record
from cloud.market.forecasts.kept import KeptDay, Quality, quality
from cloud.market.units import MINUTE_MS
from cloud.vault.vault import Vault

_WEEK_MS: Final = 7 * 86_400_000
_FIRST: Final = """
SELECT DISTINCT ON (b.station, b.market, b.day) b.station, b.market, b.day, b.id::text
FROM bids b WHERE b.day BETWEEN %s AND %s
AND (%s::text IS NULL OR b.station = %s) AND (%s::text IS NULL OR b.market = %s)
ORDER BY b.station, b.market, b.day, b.created_at, b.id
"""


async def qualities(
    pool: Pool,
    vault: Vault,
    span: tuple[dt.date, dt.date],
    series: Mapping[tuple[str, str], str],
    *,
    station: str | None = None,
    market: str | None = None,
) -> dict[tuple[str, str], Quality]:
    """Return how good the kept forecasts of each station and market were; see `kept_days`."""
    kept = await kept_days(pool, vault, span, series, station=station, market=market)
    return {place: await asyncio.to_thread(quality, days) for place, days in kept.items()}


async def kept_days(
    pool: Pool,
    vault: Vault,
    span: tuple[dt.date, dt.date],
    series: Mapping[tuple[str, str], str],
    *,
    station: str | None = None,
    market: str | None = None,
) -> dict[tuple[str, str], list[KeptDay]]:
    """Return the forecasts that are kept of each station and market, and the prices that came.

    Args:
        pool: the store.
        vault: keys of stations.
        span: first and last delivery day.
        series: id of the forecast price, by station and market; others are left out.
        station: only this one.
        market: only this one.
    """
    async with connection(pool) as conn:
        given = (*span, station, station, market, market)
        rows = await (await conn.execute(_FIRST, given)).fetchall()
    told: dict[tuple[str, str], list[tuple[dt.date, Forecast]]] = {}
    wanted = [row[3] for row in rows if (row[0], row[1]) in series]
    for bid in await bids.load_many(pool, vault, wanted):
        forecast = _forecast(bid)
        if forecast is not None:
            told.setdefault((bid.station, bid.market), []).append((bid.day, forecast))
    return {place: await _kept(pool, days, series[place]) for place, days in told.items()}


def _forecast(bid: Bid) -> Forecast | None:
    """Return the forecast that a bid's first version keeps; None: it keeps none of its day."""
    record = bid.versions[0].content.inputs.get("forecast")
    if record is None:
        return None
    try:
        forecast = from_record(record)
    except MarketError:  # a record of another time
        return None
    begin_ms = load_market(bid.market).calendar.day_bounds_ms(bid.day)[0]
    return forecast if forecast.start_ms == begin_ms else None


async def _kept(pool: Pool, days: Sequence[tuple[dt.date, Forecast]], series: str) -> list[KeptDay]:
    """Put the prices that came beside forecasts; the store is asked twice, however many days."""
    begin_ms = min(one.start_ms for _, one in days) - _WEEK_MS
    end_ms = max(_end_ms(one) for _, one in days)
    try:
        came = await prices.read(pool, series, begin_ms, end_ms, sys.maxsize)
    except MarketError:  # no such series
        return []
    known = np.zeros(len(came.value), np.int64)
    for _, one in days:
        known[_part(came, one, 0)] = one.known_ms
    seen = await prices.read(pool, series, begin_ms, end_ms, known)
    return [
        KeptDay(
            *(day, one, _values(came, one, 0), _values(came, one, _WEEK_MS)),
            late=bool(np.isfinite(_values(seen, one, 0)).any()),
        )
        for day, one in days
    ]


def _end_ms(forecast: Forecast) -> int:
    return forecast.start_ms + len(forecast.mean) * forecast.step_min * MINUTE_MS


def _part(read: prices.Reading, forecast: Forecast, earlier_ms: int) -> slice:
    """Return where a reading has the time of a forecast, or the same time so long before it."""
    return slice(
        *np.searchsorted(
            read.start_ms, [forecast.start_ms - earlier_ms, _end_ms(forecast) - earlier_ms]
        )
    )


def _values(read: prices.Reading, forecast: Forecast, earlier_ms: int) -> Floats:
    """Return the prices of that time; of another step than the forecast's there are none."""
    part = read.value[_part(read, forecast, earlier_ms)]
    return part if read.step_min == forecast.step_min else part[:0]
