"""Whether the curves of a back-test could have been submitted and followed.

One curve a day is written out as the market takes it, in bands and steps, and checked: prices
in order and within floor and cap, powers positive, sums within the power and within the energy
that the step can move.
"""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.case import Case
from cloud.market.backtest.rolling import Rolled
from cloud.market.battery import Battery
from cloud.market.bid import Direction, Segment
from cloud.market.bidding.chain import Chain
from cloud.market.bidding.curves import Bands
from cloud.market.bidding.value import Values, energy_of

Floats = npt.NDArray[np.float64]
_APART = 97
"""Steps between checked curves: prime to a day's steps, so that all times of day are met."""


Offer = Callable[[Values, int, float], tuple[Segment, ...]]
"""From values of one step, its number and the SOC to what is offered."""


def check_curves(case: Case, rolled: Rolled, power_mw: Floats, offer: Offer) -> int:
    """Return how many of the curves written out could not be submitted or followed.

    Args:
        case: the back-test.
        rolled: values of the tested steps.
        power_mw: that was given in each step, shape (steps,).
        offer: what is offered.
    """
    battery, wrong = case.battery, 0
    socs = _soc_before(case, power_mw)
    for n in range(0, len(power_mw), _APART):
        soc, values = float(socs[n]), _one_step(case, rolled, n)
        wrong += bool(
            problems(offer(values, n, soc), case.bands, battery, soc, case.prices.step_min / 60)
        )
    return wrong


def _soc_before(case: Case, power_mw: Floats) -> Floats:
    """Return the SOC before each step, shape (steps,)."""
    battery, hours = case.battery, case.prices.step_min / 60
    given, taken = power_mw.clip(min=0), -power_mw.clip(max=0)
    stored = taken * battery.charge_efficiency - given / battery.discharge_efficiency
    moved = np.concatenate([[0.0], np.cumsum(stored[:-1] * hours)])
    return np.clip(battery.soc + moved / battery.energy_mwh, battery.soc_min, battery.soc_max)


def problems(
    curve: tuple[Segment, ...], bands: Bands, battery: Battery, soc: float, hours: float
) -> list[str]:
    """Return what is wrong with a curve; empty: nothing."""
    found: list[str] = []
    energy = energy_of(battery, soc)
    most = {
        Direction.DISCHARGE: min(
            battery.discharge_mw, energy * battery.discharge_efficiency / hours
        ),
        Direction.CHARGE: min(
            battery.charge_mw, (battery.usable_mwh - energy) / battery.charge_efficiency / hours
        ),
    }
    for direction, limit in most.items():
        own = [one for one in curve if one.direction is direction]
        prices = [one.price for one in own if one.price is not None]
        ordered = sorted(prices, reverse=direction is Direction.CHARGE)
        if prices != ordered or len(own) > bands.most:
            found.append(f"{direction}: prices {prices} are out of order or too many")
        if any(not bands.floor <= price <= bands.cap for price in prices):
            found.append(f"{direction}: a price of {prices} lies outside floor and cap")
        power = sum((one.power_mw for one in own), Decimal(0))
        if any(one.power_mw <= 0 for one in own) or float(power) > limit + 1e-6:
            found.append(f"{direction}: {power} MW where {limit:.3f} are possible")
    sells = [one.price for one in curve if one.direction is Direction.DISCHARGE and one.price]
    buys = [one.price for one in curve if one.direction is Direction.CHARGE and one.price]
    if sells and buys and max(buys) >= min(sells):
        found.append(f"buys at {max(buys)} what it sells at {min(sells)}")
    return found


def _one_step(case: Case, rolled: Rolled, n: int) -> Values:
    states = rolled.means.shape[1]
    chain = Chain(np.empty(0), rolled.means[n : n + 1], np.eye(states)[None], rolled.offset)
    return Values(
        0,
        case.prices.step_min,
        rolled.base[n : n + 1],
        np.zeros(1, np.int64),
        chain,
        rolled.left[n : n + 1],
        case.battery,
    )
