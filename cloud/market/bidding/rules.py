"""Rules that bid without a model: thresholds, the valley-peak rule, schedules on a forecast.

They are what a trader could do by hand, and what every cleverer way must beat.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding.chain import certain_chain
from cloud.market.bidding.value import energy_of, opportunity_value, physics

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]

VALLEY_FROM_MIN, VALLEY_TO_MIN = 23 * 60, 7 * 60
"""The valley of the tariff, local time: 23:00 to 7:00."""
_TRIED = np.linspace(0.02, 0.98, 25)
"""Quantiles of past prices that are tried as thresholds."""


@dataclass(frozen=True)
class Thresholds:
    """Charge below `low` (where a valley is kept to: only in it), discharge above `high`."""

    low: float
    high: float
    valley_only: bool = False

    def asked_mw(self, price: Floats, minutes: Ints, battery: Battery) -> Floats:
        """Return the powers asked for, shape (steps,); the battery gives what its energy allows."""
        may = valley(minutes) if self.valley_only else np.ones(len(price), bool)
        charge = np.where(may & (price < self.low), -battery.charge_mw, 0.0)
        return np.where(price > self.high, battery.discharge_mw, charge)


def valley(minutes: Ints) -> Marks:
    """Return which local minutes of the day lie in the valley."""
    return np.asarray((minutes >= VALLEY_FROM_MIN) | (minutes < VALLEY_TO_MIN))


def tune_thresholds(
    price: Floats, minutes: Ints, battery: Battery, step_min: int, *, valley_only: bool = False
) -> Thresholds:
    """Choose the thresholds that would have earned most on past prices.

    Args:
        price: of the past, finite, shape (steps,).
        minutes: local minutes of the day, shape (steps,).
        battery: whose money counts.
        step_min: minutes a step.
        valley_only: charge in the valley at any price, and only there; `high` alone is tuned.
    """
    from cloud.market.bidding.run_kernels import run_thresholds  # noqa: PLC0415 - needs numba

    levels = np.quantile(price, _TRIED)
    if valley_only:
        low, high = np.full(len(levels), np.inf), levels
    else:
        pairs = [(one, two) for one in levels for two in levels if one <= two]
        low, high = (np.array(side) for side in zip(*pairs, strict=True))
    may = valley(minutes) if valley_only else np.ones(len(price), bool)
    earned = np.empty(len(low))
    run_thresholds(price, may, low, high, step_min / 60, physics(battery), earned)
    best = int(np.argmax(earned))
    return Thresholds(float(low[best]), float(high[best]), valley_only)


def plan_day(
    forecast: Floats, steps: int, battery: Battery, step_min: int, *, soc: float
) -> tuple[Floats, float]:
    """Schedule the first steps of a forecast by dynamic programming, as if it were certain.

    Args:
        forecast: price of each step, longer than what is scheduled so that the end is worth
            something, shape (horizon,).
        steps: how many are scheduled.
        battery: what is scheduled.
        step_min: minutes a step.
        soc: state of charge at first.

    Returns:
        Powers in MW, shape (steps,), and the state of charge after them.
    """
    from cloud.market.bidding.run_kernels import plan  # noqa: PLC0415 - needs numba

    certain = np.zeros(len(forecast), np.int64)
    values = opportunity_value(
        battery, certain_chain(), forecast, certain, start_ms=0, step_min=step_min
    )
    power = np.empty(steps)
    left = plan(
        forecast[:steps],
        np.ascontiguousarray(values.left[:steps, 0]),
        energy_of(battery, soc),
        step_min / 60,
        physics(battery),
        power,
    )
    return power, battery.soc_min + left / battery.energy_mwh
