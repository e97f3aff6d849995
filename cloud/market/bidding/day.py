"""A day's bids from opportunity values: a curve for every interval, at the SOC expected then."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.bid import BidInterval
from cloud.market.bidding.curves import Bands, bid_curve
from cloud.market.bidding.value import Values, energy_of, physics
from cloud.market.units import MINUTE_MS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DayBids:
    """Curves of consecutive intervals.

    Attributes:
        intervals: one for each step.
        soc: expected at the beginning of each, 0..1, shape (steps,).
        power_mw: expected in each, discharge positive, shape (steps,).
    """

    intervals: tuple[BidInterval, ...]
    soc: Floats
    power_mw: Floats


def bid_day(
    values: Values, bands: Bands, soc: float, *, first: int = 0, steps: int | None = None
) -> DayBids:
    """Bid a curve in each of some steps of a horizon.

    The SOC of later intervals is that which comes of the prices expected; once it turns out
    otherwise, what is still open is bid anew.

    Args:
        values: of the energy left.
        bands: what the product allows.
        soc: at the beginning of the first step, 0..1.
        first: step of the horizon.
        steps: how many; to the horizon's end without it.
    """
    from cloud.market.bidding.kernels import best_power, step  # noqa: PLC0415 - needs numba

    battery, hours = values.battery, values.step_min / 60
    count = len(values.base) - first if steps is None else steps
    energy, out = energy_of(battery, soc), []
    socs, powers = np.empty(count), np.empty(count)
    for n in range(count):
        k = first + n
        price = float(values.base[k])
        socs[n] = battery.soc_min + energy / battery.energy_mwh
        start_ms = values.start_ms + k * values.step_min * MINUTE_MS
        out.append(BidInterval(start_ms, bid_curve(values, k, float(socs[n]), bands)))
        left = np.ascontiguousarray(values.at_price(k, price))
        asked = best_power(left, energy, price, hours, physics(battery), 0.0, 0.0, 0.0)
        energy, powers[n] = step(energy, asked, hours, physics(battery))
    return DayBids(tuple(out), socs, powers)
