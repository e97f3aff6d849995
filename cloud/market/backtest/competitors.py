"""What a recorded day would have come to with several batteries that move its price."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cloud.market.backtest.prices import read_columns, read_prices
from cloud.market.battery import read_battery
from cloud.market.bidding import best_responses
from cloud.market.errors import BadSeries
from cloud.market.exchanges import load_market

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Competition:
    """Where the answers came to rest, or that they did not.

    Attributes:
        converged: whether nobody gains by another schedule.
        rounds: that were gone.
        could_gain: the most that a player could still gain.
        price_before, price_after: of each step, without and with them, per MWh.
        earned: by each player, wear counted.
        power_mw: of each player and step, discharge positive.
    """

    converged: bool
    rounds: int
    could_gain: float
    price_before: tuple[float, ...]
    price_after: tuple[float, ...]
    earned: tuple[float, ...]
    power_mw: tuple[tuple[float, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it by its names."""
        return asdict(self)


def compete(
    prices: Sequence[Path],
    columns: str,
    batteries: Sequence[Path],
    *,
    market: str,
    day: dt.date,
    fall_per_mw: float,
    naive_utc: bool = False,
) -> Competition:
    """Let the batteries of files answer one another on a recorded day.

    Args:
        prices: Parquet files.
        columns: as "rt=COLUMN".
        batteries: one file for each player.
        market: its id, or a file of rules.
        day: local, of the market.
        fall_per_mw: by how much the price falls for each MW that they sell together.
        naive_utc: take times that name no zone for UTC.

    Raises:
        BadSeries: the prices or the day cannot be used.
        BadBattery, BadProfile: nor a battery, nor the market.
    """
    rules = load_market(Path(market) if market.endswith(".toml") else market)
    read = read_prices(prices, read_columns(columns), rules.calendar.zone, naive_utc=naive_utc)
    base = read.price[read.day == (day - _EPOCH).days]
    if not len(base) or not np.isfinite(base).all():
        raise BadSeries(f"day {day}: its prices are not all there; choose another --day")
    players = [read_battery(file) for file in batteries]
    found = best_responses(base, fall_per_mw, players, read.step_min)
    return Competition(
        found.converged,
        found.rounds,
        found.could_gain,
        tuple(base.tolist()),
        tuple(found.price.tolist()),
        tuple(found.earned.tolist()),
        tuple(tuple(one) for one in found.power_mw.tolist()),
    )
