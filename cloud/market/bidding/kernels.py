"""The loops over steps, states and energies: the part that numba compiles.

Energy `s` is counted in MWh from the lower end of what may be planned with, 0..energy. A battery
is the tuple of `physics()`: charge MW, discharge MW, energy MWh, charge efficiency, discharge
efficiency, wear per MWh discharged. A function of energy is an array over an even grid from
empty to full; between its points it is read as a straight line.
"""
# ruff: noqa: PLR0917 - numba takes arguments by position

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Physics = tuple[float, float, float, float, float, float]

ROUNDING = 1e-9
"""Money below which two choices are worth the same: then the battery rests."""


@njit(cache=True)
def step(s: float, power: float, hours: float, battery: Physics) -> tuple[float, float]:
    """Return the energy after a step and the power that the energy allowed of that asked."""
    charge, discharge, energy, eff_in, eff_out, _wear = battery
    if power > 0.0:
        power = min(power, discharge, s * eff_out / hours)
        return max(s - power * hours / eff_out, 0.0), power
    power = max(power, -charge, -(energy - s) / (eff_in * hours))
    return min(s - power * hours * eff_in, energy), power


@njit(cache=True)
def money(power: float, price: float, hours: float, wear: float) -> float:
    """Return what a power earns in a step, wear counted."""
    if power > 0.0:
        return (price - wear) * power * hours
    return price * power * hours


@njit(cache=True)
def read(values: Floats, spacing: float, s: float) -> float:
    """Read a function of energy between the points of its grid."""
    x = s / spacing
    i = int(x)
    if i >= len(values) - 1:
        return float(values[len(values) - 1])
    share = x - i
    return float(values[i] * (1.0 - share) + values[i + 1] * share)


@njit(cache=True)
def sell_down_to(values: Floats, spacing: float, worth: float) -> float:
    """Return the energy down to which selling at `worth` per MWh stored beats keeping.

    The value's slope falls with the energy, so below this point the next MWh is worth more.
    """
    for i in range(len(values) - 1, 0, -1):
        if (values[i] - values[i - 1]) / spacing >= worth - ROUNDING:
            return i * spacing
    return 0.0


@njit(cache=True)
def buy_up_to(values: Floats, spacing: float, cost: float) -> float:
    """Return the energy up to which buying at `cost` per MWh stored pays."""
    for i in range(len(values) - 1):
        if (values[i + 1] - values[i]) / spacing <= cost + ROUNDING:
            return i * spacing
    return (len(values) - 1) * spacing


@njit(cache=True)
def backward(  # noqa: C901 - one loop nest, as numba likes it
    price: Floats,
    transition: Floats,
    block: Ints,
    end: Floats,
    hours: float,
    battery: Physics,
    out: Floats,
) -> None:
    """Fill `out` with the value of the energy left after acting in each step.

    Stochastic dynamic programming over (state of the chain, energy), backwards in time.

    Args:
        price: of each step in each state, shape (steps, states).
        transition: chance to go from the row's state to the column's at a step of a block of
            the day, shape (blocks, states, states).
        block: block of the day of each step, shape (steps,).
        end: value of energy after the last step, shape (points,).
        hours: length of a step.
        battery: the battery.
        out: shape (steps, states, points): expected money from the next step on, given the
            state in this step.
    """
    steps, states = price.shape
    points = len(end)
    charge, discharge, energy, eff_in, eff_out, wear = battery
    spacing = energy / (points - 1)
    drawn, stored = discharge * hours / eff_out, charge * hours * eff_in
    after = np.empty((states, points))
    now = np.empty((states, points))
    for j in range(states):
        for i in range(points):
            after[j, i] = end[i]
    for k in range(steps - 1, -1, -1):
        out[k] = after
        for j in range(states):
            p = price[k, j]
            sell = sell_down_to(after[j], spacing, (p - wear) * eff_out)
            buy = buy_up_to(after[j], spacing, p / eff_in)
            for i in range(points):
                s = i * spacing
                best = after[j, i]
                if s > sell:
                    left = max(sell, s - drawn)
                    best = max(
                        best, (p - wear) * (s - left) * eff_out + read(after[j], spacing, left)
                    )
                if s < buy:
                    left = min(buy, s + stored)
                    best = max(best, -p * (left - s) / eff_in + read(after[j], spacing, left))
                now[j, i] = best
        b = block[k]
        for j in range(states):
            for i in range(points):
                after[j, i] = 0.0
            for m in range(states):
                chance = transition[b, j, m]
                if chance > 0.0:
                    for i in range(points):
                        after[j, i] += chance * now[m, i]


@njit(cache=True)
def best_power(
    values: Floats,
    s: float,
    price: float,
    hours: float,
    battery: Physics,
    margin: float,
    keep: float,
    must: float,
) -> float:
    """Return the power worth most at a price, given what the energy left is worth.

    Args:
        values: value of the energy left, shape (points,).
        s: energy at present.
        price: of this step.
        hours: length of a step.
        battery: the battery.
        margin: money per MWh that a discharge or a charge must earn beside its value.
        keep: energy below which nothing is sold: it is promised.
        must: energy up to which is bought at any price; at most `keep`.
    """
    charge, discharge, energy, eff_in, eff_out, wear = battery
    spacing = energy / (len(values) - 1)
    if s < must:
        return -min(charge, (must - s) / eff_in / hours)
    sell = max(sell_down_to(values, spacing, (price - wear - margin) * eff_out), keep)
    buy = buy_up_to(values, spacing, (price + margin) / eff_in)
    best, chosen = read(values, spacing, s) + ROUNDING, 0.0
    if s > sell:
        power = min(discharge, (s - sell) * eff_out / hours)
        x = (price - wear - margin) * power * hours
        x += read(values, spacing, s - power * hours / eff_out)
        if x > best:
            best, chosen = x, power
    if s < buy:
        power = min(charge, (buy - s) / eff_in / hours)
        x = -(price + margin) * power * hours
        x += read(values, spacing, s + power * hours * eff_in)
        if x > best:
            chosen = -power
    return chosen


@njit(cache=True)
def affordable(power: float, price: float, left: float, hours: float) -> float:
    """Return a power whose charging costs no more than the money left; sales are as they were."""
    if power >= 0.0 or price <= 0.0:
        return power
    return max(power, -max(left, 0.0) / price / hours)


@njit(cache=True)
def between_states(residual: float, means: Floats) -> tuple[int, int, float]:
    """Return two neighbouring states of the chain and the share of the upper one.

    Args:
        residual: or a price.
        means: of the states in the same measure, rising.
    """
    states = len(means)
    if residual <= means[0]:
        return 0, 0, 0.0
    for j in range(states - 1):
        if residual < means[j + 1]:
            return j, j + 1, (residual - means[j]) / (means[j + 1] - means[j] + 1e-12)
    return states - 1, states - 1, 0.0
