"""What a bidding policy sees of the market before a bid is due: prices, forecasts, the battery.

The newest price seen is that of two steps before: the market takes bids one step ahead, and the
step before it has not ended then. What the price of the step itself would mean is seen for each
price of the curve, see `policy_kernels.see`.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.units import DAY_MIN

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

AHEAD_HOURS = 24
SEEN_STEPS_AGO = 2
_WINDOWS_H = (1, 4, 24)
_CLIP = 200.0
_BIG_LOAD = 3.0


class MarketType(StrEnum):
    """Of what a policy's reward is made; it is told which."""

    SPOT = "spot"
    BALANCE = "balance"
    RESPONSE = "response"


@dataclass(frozen=True)
class Weights:
    """What counts besides the money of energy.

    Attributes:
        spot: of the money earned with energy, wear counted.
        balance: money an hour for each MWh that the energy lies from half full.
        response: money an hour for each MW that could be given both up and down for an hour.
    """

    spot: float
    balance: float
    response: float


WEIGHTS = {
    MarketType.SPOT: Weights(1.0, 0.0, 0.0),
    MarketType.BALANCE: Weights(1.0, 2.0, 0.0),
    MarketType.RESPONSE: Weights(1.0, 0.0, 8.0),
}
"""Stated, not found: 2 an hour for a MWh out of balance is what intraday corrections of that size
cost, 8 an hour a moderate price of reserve. Change them with a market's own prices."""


@dataclass(frozen=True)
class Seen:
    """What is known of the market.

    Attributes:
        price: believed, NaN where it was not seen, shape (steps,).
        base: expected price of each step, shape (steps,).
        known_to: first step whose base was not known at each step, shape (steps,).
        minutes: local minute of the day, shape (steps,).
        step_min: minutes a step.
        load: forecast of the load over its mean, shape (steps,); None: not given.
        soh: of the battery, 0..1.
    """

    price: Floats
    base: Floats
    known_to: Ints
    minutes: Ints
    step_min: int
    load: Floats | None = None
    soh: float = 1.0


def market_features(seen: Seen, battery: Battery, measure: float) -> Floats32:
    """Return what is seen before each step's bid is due, shape (steps, features).

    Args:
        seen: of the market.
        battery: whose efficiency is told.
        measure: prices are looked at in this, money per MWh.
    """
    angle = 2 * np.pi * seen.minutes / DAY_MIN
    parts = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    parts.append(np.arcsinh(seen.base / measure))
    price = np.where(np.isfinite(seen.price), seen.price, seen.base)
    residual = np.clip(price - seen.base, -_CLIP, _CLIP)
    per_hour = 60 // seen.step_min
    parts.append(np.arcsinh(_ago(price) / measure))
    parts += [np.arcsinh(_ago(_mean(residual, max(h * per_hour, 1))) / measure) for h in _WINDOWS_H]
    parts.append(np.arcsinh(_ago(_greatest(price, AHEAD_HOURS * per_hour)) / measure))
    parts += [np.arcsinh(one / measure) for one in _ahead(seen, per_hour)]
    load = np.ones(len(price)) if seen.load is None else np.nan_to_num(seen.load, nan=1.0)
    parts.append(np.clip(load, 0, _BIG_LOAD) - 1.0)
    parts += [np.full(len(price), seen.soh), np.full(len(price), battery.round_trip)]
    return np.stack(parts, axis=1).astype(np.float32)


def market_code(kind: MarketType) -> Floats32:
    """Return a type of market as a policy sees it, shape (types,)."""
    return np.array([kind is one for one in MarketType], np.float32)


def _ahead(seen: Seen, per_hour: int) -> list[Floats]:
    day = DAY_MIN // seen.step_min
    here, out = np.arange(len(seen.base)), []
    for hour in range(AHEAD_HOURS):
        place = here + 1 + hour * per_hour
        late = place >= seen.known_to
        while late.any():
            place = np.where(late, place - day, place)
            late = place >= seen.known_to
        out.append(seen.base[np.clip(place, 0, len(seen.base) - 1)])
    return out


def _ago(values: Floats) -> Floats:
    first = np.full(SEEN_STEPS_AGO, values[0])
    return np.concatenate([first, values[:-SEEN_STEPS_AGO]])


def _mean(values: Floats, steps: int) -> Floats:
    total = np.cumsum(np.insert(values, 0, 0.0))
    begin = np.maximum(np.arange(len(values)) + 1 - steps, 0)
    end = np.arange(len(values)) + 1
    return np.asarray((total[end] - total[begin]) / (end - begin))


def _greatest(values: Floats, steps: int) -> Floats:
    padded = np.concatenate([np.full(steps - 1, values[0]), values])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, steps).max(axis=1))
