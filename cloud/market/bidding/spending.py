"""What a day's charging may cost: a limit against days that buy dear and sell nothing.

The worst days of a battery that waits for a spike are those on which it fills at high prices and
the spike does not come. A full charge at the usual price is what a day needs to spend; what costs
more is rarely worth waiting with. What the day has earned may be spent again.
"""

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery

Floats = npt.NDArray[np.float64]


def full_charge_cost(battery: Battery, price: float) -> float:
    """Return the money that filling an empty battery costs.

    Args:
        battery: what is filled.
        price: per MWh; the mean size of past prices, where a day is to be limited by it.
    """
    return battery.usable_mwh / battery.charge_efficiency * price


def within_spending(
    prices: Floats, power_mw: Floats, left: float, hours: float, paid_mw: float = 0.0
) -> Floats:
    """Return the powers of a curve whose charging costs no more than the money left.

    Args:
        prices: of the curve, shape (prices,).
        power_mw: at each, discharge positive, shape (prices,).
        left: money.
        hours: length of the step.
        paid_mw: of the charging, paid for already.
    """
    from cloud.market.bidding.kernels import affordable  # noqa: PLC0415 - needs numba

    pairs = zip(prices.tolist(), power_mw.tolist(), strict=True)
    held = [affordable(power + paid_mw, price, left, hours) for price, power in pairs]
    return np.array(held) - paid_mw
