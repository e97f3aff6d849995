"""Kept forecasts of bids beside the prices that came, read from the store."""

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping
from typing import Final

import numpy as np

from cloud.db import Pool, connection
from cloud.market import bids, prices
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
    kept: dict[tuple[str, str], list[KeptDay]] = {}
    for where, traded, day, name in rows:
        place = where, traded
        if place not in series:
            continue
        found = await _kept(pool, vault, day, name, series[place])
        if found is not None:
            kept.setdefault(place, []).append(found)
    return kept


async def _kept(pool: Pool, vault: Vault, day: dt.date, name: str, series: str) -> KeptDay | None:
    bid = await bids.load(pool, vault, name)
    record = bid.versions[0].content.inputs.get("forecast")
    if record is None:
        return None
    try:
        forecast = from_record(record)
        begin_ms = load_market(bid.market).calendar.day_bounds_ms(day)[0]
        if forecast.start_ms != begin_ms:
            return None
        came = await _prices(pool, series, forecast, 0)
        before = await _prices(pool, series, forecast, _WEEK_MS)
        seen = await _prices(pool, series, forecast, 0, known_ms=forecast.known_ms)
    except MarketError:  # no such series, or a record of another time
        return None
    return KeptDay(day, forecast, came, before, late=bool(np.isfinite(seen).any()))


async def _prices(
    pool: Pool, series: str, forecast: Forecast, earlier_ms: int, *, known_ms: int = sys.maxsize
) -> Floats:
    begin_ms = forecast.start_ms - earlier_ms
    end_ms = begin_ms + len(forecast.mean) * forecast.step_min * MINUTE_MS
    read = await prices.read(pool, series, begin_ms, end_ms, known_ms)
    return read.value if read.step_min == forecast.step_min else read.value[:0]
