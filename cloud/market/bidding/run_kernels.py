"""Going through prices step after step, as a strategy would have: the other part for numba.

A battery is the tuple of `physics()`, energy is counted as in `kernels`.
"""
# ruff: noqa: PLR0917 - numba takes arguments by position

import numpy as np
import numpy.typing as npt
from numba import njit

from cloud.market.bidding.kernels import (
    ROUNDING,
    Floats,
    Ints,
    Physics,
    affordable,
    best_power,
    between_states,
    money,
    read,
    step,
)

_ASKED_TOLERANCE = 1e-6
"""MW by which a delivery may miss what was asked for rounding alone."""


@njit(cache=True)
def run_values(
    price: Floats,
    state_price: Floats,
    values: Floats,
    scaling: Floats,
    margin: Floats,
    keep: Floats,
    must: Floats,
    day: Ints,
    spend: float,
    s: float,
    hours: float,
    battery: Physics,
    money_out: Floats,
    energy_out: Floats,
    power_out: Floats,
    left_out: Floats,
) -> None:
    """Let the curve of opportunity values bid, step after step, at the prices that came.

    A curve of offers sells at a higher price what it sells at a lower one: so the power is the
    greatest of those right at the price and at every state's price below it.

    When a bid is due the step before has not ended: what it bought or sold counts at the price
    before it.

    Args:
        price: that came, shape (steps,).
        state_price: of the chain's states at each step, rising, shape (steps, states).
        values: of the energy left after each step, shape (steps, states, points).
        scaling: factor on the values, shape (steps,).
        margin: see `best_power`, shape (steps,).
        keep: see `best_power`, shape (steps,).
        must: see `best_power`, shape (steps,).
        day: number of the local day of each step, shape (steps,).
        spend: money that charging may cost in a day beyond what the day has earned; what must be
            in store is bought all the same.
        s: energy at first.
        hours: length of a step.
        battery: the battery.
        money_out: filled, shape (steps,).
        energy_out: filled with the energy after each step, shape (steps,).
        power_out: filled, shape (steps,).
        left_out: filled with the money that charging could still cost, shape (steps,).
    """
    points, states = values.shape[2], values.shape[1]
    curve = np.empty(points)
    earned = 0.0
    for t in range(len(price)):
        before = 0.0  # of the step that has not ended when the bid is due
        if t == 0 or day[t] != day[t - 1]:
            earned = 0.0
        else:
            earned += money_out[t - 2] if t > 1 and day[t - 2] == day[t] else 0.0
            before = money(power_out[t - 1], price[max(t - 2, 0)], hours, battery[5])
        left_out[t] = spend + earned + before
        low, high, share = between_states(price[t], state_price[t])
        for i in range(points):
            curve[i] = (values[t, low, i] * (1.0 - share) + values[t, high, i] * share) * scaling[t]
        asked = best_power(curve, s, price[t], hours, battery, margin[t], keep[t], must[t])
        for j in range(states):
            at = state_price[t, j]
            if at >= price[t]:
                break
            for i in range(points):
                curve[i] = values[t, j, i] * scaling[t]
            power = best_power(curve, s, at, hours, battery, margin[t], keep[t], must[t])
            asked = max(asked, power)
        if s >= must[t]:
            asked = affordable(asked, price[t], left_out[t], hours)
        s, power = step(s, asked, hours, battery)
        money_out[t] = money(power, price[t], hours, battery[5])
        energy_out[t] = s
        power_out[t] = power


@njit(cache=True)
def run_schedule(
    asked: Floats,
    price: Floats,
    s: float,
    hours: float,
    battery: Physics,
    money_out: Floats,
    energy_out: Floats,
    power_out: Floats,
) -> int:
    """Follow a schedule of powers; return in how many steps the energy did not allow it."""
    missed = 0
    for t in range(len(price)):
        s, power = step(s, asked[t], hours, battery)
        if abs(power - asked[t]) > _ASKED_TOLERANCE:
            missed += 1
        money_out[t] = money(power, price[t], hours, battery[5])
        energy_out[t] = s
        power_out[t] = power
    return missed


@njit(cache=True)
def plan(
    forecast: Floats, values: Floats, s: float, hours: float, battery: Physics, out: Floats
) -> float:
    """Fill `out` with the powers best at forecast prices; return the energy after them.

    Args:
        forecast: price of each step, shape (steps,).
        values: of the energy left after each step, from `backward` with one state, shape
            (steps at least, points).
        s: energy at first.
        hours: length of a step.
        battery: the battery.
        out: powers, shape (steps,).
    """
    for k in range(len(forecast)):
        asked = best_power(values[k], s, forecast[k], hours, battery, 0.0, 0.0, 0.0)
        s, power = step(s, asked, hours, battery)
        out[k] = power
    return s


@njit(cache=True)
def run_thresholds(
    price: Floats,
    may_charge: npt.NDArray[np.bool_],
    low: Floats,
    high: Floats,
    hours: float,
    battery: Physics,
    out: Floats,
) -> None:
    """Money of many threshold rules: charge below `low` where allowed, discharge above `high`.

    Args:
        price: shape (steps,).
        may_charge: of the steps, shape (steps,).
        low: of each rule, shape (rules,), as `high`.
        high: of each rule.
        hours: length of a step.
        battery: the battery.
        out: filled: what each rule earned, shape (rules,).
    """
    charge, discharge, _energy, _in, _out, wear = battery
    for i in range(len(low)):
        s, earned = 0.0, 0.0
        for t in range(len(price)):
            asked = 0.0
            if price[t] > high[i]:
                asked = discharge
            elif may_charge[t] and price[t] < low[i]:
                asked = -charge
            if asked != 0.0:
                s, power = step(s, asked, hours, battery)
                earned += money(power, price[t], hours, wear)
        out[i] = earned


@njit(cache=True)
def plan_against(
    others: Floats,
    fall: float,
    s: float,
    hours: float,
    battery: Physics,
    points: int,
    levels: int,
    out: Floats,
) -> None:
    """Fill `out` with the powers best where one's own power moves the price.

    Args:
        others: price that is left by the others, shape (steps,).
        fall: of the price for each MW sold.
        s: energy at first.
        hours: length of a step.
        battery: the battery.
        points: of the grid over the energy.
        levels: of power in each direction.
        out: powers, shape (steps,).
    """
    charge, discharge, energy, _in, _out, wear = battery
    steps, spacing = len(others), energy / (points - 1)
    left = np.zeros((steps + 1, points))
    for k in range(steps - 1, -1, -1):
        for i in range(points):
            best = left[k + 1, i]
            for n in range(-levels, levels + 1):
                asked = (discharge if n > 0 else charge) * n / levels
                after, power = step(i * spacing, asked, hours, battery)
                x = money(power, others[k] - fall * power, hours, wear)
                best = max(best, x + read(left[k + 1], spacing, after))
            left[k, i] = best
    for k in range(steps):
        best, chosen = read(left[k + 1], spacing, s) + ROUNDING, 0.0
        for n in range(-levels, levels + 1):
            asked = (discharge if n > 0 else charge) * n / levels
            after, power = step(s, asked, hours, battery)
            x = money(power, others[k] - fall * power, hours, wear)
            x += read(left[k + 1], spacing, after)
            if x > best:
                best, chosen = x, power
        s, out[k] = step(s, chosen, hours, battery)
