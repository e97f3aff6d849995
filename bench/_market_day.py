"""A full day-ahead bid set of a 40-converter station: forecast, values, curves, check, risk."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bid import BidSet, OfferMode
from cloud.market.bidding import Bands, Values, fit_chain, opportunity_value
from cloud.market.bidding.day import DayBids, bid_day
from cloud.market.exchanges import check, load_market
from cloud.market.forecasts import Ensemble, History, quick_members
from cloud.market.risk import revenue_scenarios, var_cvar

Floats = npt.NDArray[np.float64]

STATION = Battery(100.0, 100.0, 200.0, 0.93, 0.93, 60.0, 0.05, 0.95, 0.3)
"""Forty converters of 2.5 MW, two hours."""
DAY, STEP_MIN = 96, 15
_DAYS, _WARM_DAYS = 1200, 28
_FIRST_MS = 1_672_531_200_000  # 2023-01-01T00:00Z
_DAY_MS = 86_400_000
_PATHS = 1000
_CHAIN_DAYS = 180


@dataclass(frozen=True)
class Desk:
    """A desk in the middle of its life: a fitted ensemble that has bid yesterday."""

    ensemble: Ensemble
    history: History
    price: Floats
    base: Floats


def made_prices(days: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Return prices and what was expected of them, shape (days x 96,) each."""
    rng = np.random.default_rng(seed)
    hour = np.arange(days * DAY) % DAY / 4
    level = np.repeat(rng.uniform(0.7, 1.5, days), DAY)
    base = level * (300 + 150 * np.cos((hour - 8) * np.pi / 6) + 200 * (np.abs(hour - 19) < 2))
    noise, spike = np.zeros(len(base)), np.zeros(len(base))
    shocks, draws = rng.normal(0, 40, len(base)), rng.random((len(base), 2))
    sizes = rng.uniform(300, 900, len(base))
    for t in range(1, len(base)):
        noise[t] = 0.8 * noise[t - 1] + shocks[t]
        lasting = spike[t - 1] * (draws[t, 1] < 0.8)
        spike[t] = sizes[t] if draws[t, 0] < 0.002 else lasting
    return base + noise + spike, base


def ready(days: int = _DAYS) -> Desk:
    """Return a desk that has forecast yesterday: today costs one day more."""
    price, base = made_prices(days)
    history = History(_FIRST_MS, STEP_MIN, price[:-DAY], zone="UTC")
    ensemble = Ensemble(members=quick_members(), warm_up_days=_WARM_DAYS, allow_short=days < _DAYS)
    ensemble.fit(history)
    yesterday = _FIRST_MS + (days - 2) * _DAY_MS
    ensemble.forecast(yesterday, yesterday)
    return Desk(ensemble, history, price, base)


def bid_set(desk: Desk, power_step: Decimal) -> tuple[Values, DayBids]:
    """Forecast, value, bid with reasons, check and weigh tomorrow."""
    tomorrow = _FIRST_MS + (len(desk.price) // DAY - 1) * _DAY_MS
    forecast = desk.ensemble.forecast(tomorrow, tomorrow)
    past = slice(-_CHAIN_DAYS * DAY, -DAY)
    minutes = np.arange(len(desk.price), dtype=np.int64) % DAY * STEP_MIN
    chain = fit_chain(desk.price[past], desk.base[past], minutes[past])
    horizon = np.concatenate([forecast.mean, forecast.mean])
    values = opportunity_value(
        STATION, chain, horizon, np.tile(minutes[:DAY], 2), start_ms=tomorrow, step_min=STEP_MIN
    )
    market = load_market("cn-shandong")
    product = next(one for one in market.products if one.interval_min == STEP_MIN)
    bands = Bands(
        product.max_segments,
        product.price_floor,
        product.price_cap,
        product.price_step,
        max(product.power_step_mw, power_step),
    )
    day = bid_day(values, bands, STATION.soc, steps=DAY)
    offered = BidSet(
        "bench",
        market.id,
        product.id,
        dt.date(2026, 4, 14),
        STEP_MIN,
        OfferMode.QUANTITY_PRICE,
        day.intervals,
    )
    check(offered, product, STATION)
    rng = np.random.default_rng(1)
    residual = desk.price[past] - desk.base[past]
    drawn = residual.reshape(-1, DAY)[rng.integers(0, len(residual) // DAY, _PATHS)]
    var_cvar(revenue_scenarios(offered, forecast.mean + drawn, STATION))
    return values, day


def rebid(made: tuple[Values, DayBids], power_step: Decimal) -> DayBids:
    """Value and bid the rest of the day anew, as every five minutes: the SOC came otherwise."""
    values, day = made
    fresh = opportunity_value(
        STATION,
        values.chain,
        values.base,
        values.minutes,
        start_ms=values.start_ms,
        step_min=STEP_MIN,
    )
    bands = Bands(5, Decimal(-80), Decimal(1300), Decimal("0.1"), power_step)
    return bid_day(fresh, bands, float(day.soc[10]) * 0.9, first=10, steps=DAY - 10)
