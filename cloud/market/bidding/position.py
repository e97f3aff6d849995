"""Selling part of tomorrow in the day-ahead market, and keeping the energy for it.

Day-ahead prices lie above real-time prices where scarcity is feared, so selling ahead pays on
the average. It is dangerous alone: one real-time spike in a sold hour costs more than weeks of
premium. So what is sold is covered: the energy is not sold twice, and is charged in time, at any
price if it must be. Then a spike finds the battery delivering what it sold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding.rules import plan_day

Floats = npt.NDArray[np.float64]

KEEP_HOURS = 8.0
"""Energy for what is sold within so many hours is not sold again. Chosen on 2024 of ERCOT."""
READY_HOURS = 4.0
"""It is in store so long before the sold hour begins."""


@dataclass(frozen=True)
class Position:
    """How much of a day's plan is offered day-ahead.

    Attributes:
        share: of the plan's power, 0..1.
        least_price: offers to sell do not go below it, money per MWh.
        buys: whether the plan's charging is bought day-ahead too.
    """

    share: float
    least_price: float
    buys: bool = False


NO_POSITION = Position(0.0, 0.0)


def offered_mw(forecast: Floats, battery: Battery, step_min: int, position: Position) -> Floats:
    """Return what is offered in each step of a day, shape (steps,), discharge positive.

    Args:
        forecast: of the day's day-ahead price, known at the gate, shape (steps,).
        battery: what is offered.
        step_min: minutes a step.
        position: how much of the plan.
    """
    twice = np.concatenate([forecast, forecast])
    power, _ = plan_day(twice, len(forecast), battery, step_min, soc=battery.soc_min)
    if not position.buys:
        power = power.clip(min=0)
    return np.asarray(position.share * power)


def cleared_mw(offered: Floats, day_ahead: Floats, position: Position) -> Floats:
    """Return what of the offers is taken at the day-ahead prices that came, shape (steps,).

    Sales are taken from the least price on, purchases at any price; nothing where no price came.
    """
    sold = (offered > 0) & (day_ahead >= position.least_price)
    bought = (offered < 0) & np.isfinite(day_ahead)
    return np.where(sold | bought, offered, 0.0)


def cover(cleared: Floats, battery: Battery, step_min: int) -> tuple[Floats, Floats]:
    """Return the energy to keep and the energy that must be in store after each step.

    Args:
        cleared: sold (positive) and bought, shape (steps,).
        battery: what delivers.
        step_min: minutes a step.

    Returns:
        MWh above the least that may be planned with, shape (steps,) each. Nothing is sold below
        the first; up to the second is charged at any price, as late as full power allows, and
        `READY_HOURS` earlier than that.
    """
    hours, full = step_min / 60, battery.usable_mwh
    need = cleared.clip(min=0) * hours / battery.discharge_efficiency
    steps = len(need)
    total = np.concatenate([[0.0], np.cumsum(need)])
    here = np.arange(steps)
    within = np.minimum(here + 1 + round(KEEP_HOURS / hours), steps)
    keep = np.minimum(total[within] - total[here + 1], full)
    latest = np.zeros(steps + 1)
    stored = battery.charge_mw * hours * battery.charge_efficiency
    for t in range(steps - 2, -1, -1):
        chargeable = stored if need[t + 1] == 0 else 0.0
        latest[t] = min(max(0.0, latest[t + 1] + need[t + 1] - chargeable), full)
    window = round(READY_HOURS / hours) + 1
    padded = np.concatenate([latest[:steps], np.zeros(window - 1)])
    must = np.lib.stride_tricks.sliding_window_view(padded, window).max(axis=1)
    return np.maximum(keep, must), must


def money_of(cleared: Floats, day_ahead: Floats, price: Floats, step_min: int) -> Floats:
    """Return what a position earns beside what the battery does, shape (steps,).

    Two settlements: sold at the day-ahead price, and bought back at the real-time price at which
    everything that the battery delivers is paid.
    """
    each = cleared * (np.nan_to_num(day_ahead) - price) * step_min / 60
    return np.where(cleared == 0.0, 0.0, each)
