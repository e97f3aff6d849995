"""From the value of stored energy to a curve of prices and quantities that a market takes.

Selling energy is right where the price covers what it would bring later, the losses and the
wear: v / efficiency + wear. Buying is right where the price stays below what it will bring:
v x efficiency. The value v depends on the SOC, so the curve has a step wherever it changes; a
market takes only so many bands, so neighbours are joined where that costs least. Prices are
rounded away from trade and joined bands take the more careful price: a bid never asks for less
than the energy is worth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cloud.market.bid import Direction, Segment
from cloud.market.bidding.spending import within_spending
from cloud.market.bidding.value import Values, energy_of, physics

Floats = npt.NDArray[np.float64]

_PRICES_BETWEEN = 6
"""Prices tried between neighbouring states' prices."""


@dataclass(frozen=True, slots=True)
class Bands:
    """What a product allows of a curve.

    Attributes:
        most: bands per direction.
        floor: least price.
        cap: greatest price.
        price_step: prices are whole multiples of it.
        power_step_mw: powers are whole multiples of it.
    """

    most: int
    floor: Decimal
    cap: Decimal
    price_step: Decimal
    power_step_mw: Decimal


@dataclass(frozen=True, slots=True)
class _Band:
    power: float
    price: float


def bid_curve(
    values: Values,
    step: int,
    soc: float,
    bands: Bands,
    *,
    promised: tuple[float, float] = (0.0, 0.0),
    spend: float = math.inf,
    paid_mw: float = 0.0,
    decide: Callable[[Floats], Floats] | None = None,
) -> tuple[Segment, ...]:
    """Return the segments to offer in one step of the horizon.

    Args:
        values: of the energy left.
        step: of the horizon.
        soc: state of charge at the step's beginning, 0..1.
        bands: what the product allows.
        promised: MWh to keep, and MWh that must be in store, above the least; see `position.cover`.
        spend: money that charging in this step may cost; what must be in store is bought all the
            same.
        paid_mw: of the charging, paid for already.
        decide: the power at each of some prices, where something else than the values decides it.

    Returns:
        Discharging segments from the lowest price up, then charging segments from the highest
        price down. Their sums keep to the power and to the energy that the step can move.
    """
    prices = _tried_prices(values, step, bands)
    power = decide(prices) if decide else _response(values, step, soc, prices, promised)
    power = np.maximum.accumulate(power)
    held: set[float] = set()
    if math.isfinite(spend) and energy_of(values.battery, soc) >= promised[1]:
        wanted, hours = power, values.step_min / 60
        power = within_spending(prices, wanted, spend, hours, paid_mw)
        held = set(prices[power > wanted].tolist())

    def why(direction: Direction, price: float) -> str:
        limit = f"; the day may spend {spend:.2f} more on charging, and no more" * (price in held)
        return _why(direction, values, values.marginal(step, price, soc)) + limit

    out: list[Segment] = []
    for direction, sign in ((Direction.DISCHARGE, 1.0), (Direction.CHARGE, -1.0)):
        raw = _bands(prices, power * sign, sign)
        joined = _join(raw, bands.most, sign)
        out += _segments(joined, direction, bands, why)
    return tuple(out)


def _tried_prices(values: Values, step: int, bands: Bands) -> Floats:
    """Prices at which the curve is looked at: the states' own, some between, floor and cap."""
    one = slice(step, step + 1)
    states = values.chain.prices(values.base[one], values.minutes[one])[0]
    ends = np.array([float(bands.floor), *states, float(bands.cap)])
    ends = np.unique(np.clip(ends, float(bands.floor), float(bands.cap)))
    share = np.arange(_PRICES_BETWEEN) / _PRICES_BETWEEN
    between = ends[:-1, None] + np.diff(ends)[:, None] * share
    return np.append(between.ravel(), ends[-1])


def _response(
    values: Values, step: int, soc: float, prices: Floats, promised: tuple[float, float]
) -> Floats:
    """Power that is best at each price."""
    from cloud.market.bidding.kernels import best_power  # noqa: PLC0415 - needs numba

    battery = physics(values.battery)
    energy, hours = energy_of(values.battery, soc), values.step_min / 60
    power = [
        best_power(
            np.ascontiguousarray(values.at_price(step, price)),
            energy,
            float(price),
            hours,
            battery,
            0.0,
            *promised,
        )
        for price in prices
    ]
    return np.array(power)


def _bands(prices: Floats, power: Floats, sign: float) -> list[_Band]:
    """Steps of one direction, from the first to be called to the last."""
    order = range(len(prices)) if sign > 0 else range(len(prices) - 1, -1, -1)
    out: list[_Band] = []
    reached = 0.0
    for n in order:
        if power[n] > reached:
            out.append(_Band(float(power[n] - reached), float(prices[n])))
            reached = float(power[n])
    return out


def _join(bands: list[_Band], most: int, sign: float) -> list[_Band]:
    """Join neighbours, those first whose joining moves least power by least money."""
    bands = list(bands)
    while len(bands) > most:
        costs = [abs(two.price - one.price) * one.power for one, two in pairwise(bands)]
        n = int(np.argmin(costs))
        one, two = bands[n], bands[n + 1]
        price = max(one.price, two.price) if sign > 0 else min(one.price, two.price)
        bands[n : n + 2] = [_Band(one.power + two.power, price)]
    return bands


def _segments(
    joined: list[_Band],
    direction: Direction,
    bands: Bands,
    why: Callable[[Direction, float], str],
) -> list[Segment]:
    out: list[Segment] = []
    reached, given = 0.0, Decimal(0)
    for band in joined:
        reached += band.power
        total = _multiple(Decimal(str(round(reached, 9))), bands.power_step_mw, ROUND_DOWN)
        rounding = ROUND_CEILING if direction is Direction.DISCHARGE else ROUND_FLOOR
        price = _multiple(Decimal(str(round(band.price, 6))), bands.price_step, rounding)
        price = min(max(price, bands.floor), bands.cap)
        if total <= given:
            continue
        out.append(Segment(direction, total - given, price, why(direction, band.price)))
        given = total
    return out


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding=rounding) * step


def _why(direction: Direction, values: Values, worth: tuple[float, float]) -> str:
    battery, states = values.battery, values.chain.means.shape[1]
    if direction is Direction.DISCHARGE:
        least = worth[1] / battery.discharge_efficiency + battery.wear_per_mwh
        return (
            f"at that price the next MWh, kept for later, is worth {worth[1]:.2f} over {states} "
            f"states of the price; with losses and wear of {battery.wear_per_mwh:.2f} it is sold "
            f"from {least:.2f}, more as energy runs short"
        )
    return (
        f"at that price one more MWh will be worth {worth[0]:.2f} over {states} states of the "
        f"price; with losses it is bought up to {worth[0] * battery.charge_efficiency:.2f}"
    )
