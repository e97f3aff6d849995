"""What a bidding policy sees of values, and how the battery answers it: compiled, many at once."""
# ruff: noqa: PLR0917 - numba takes arguments by position

import numpy as np
import numpy.typing as npt
from numba import njit

from cloud.market.bidding.kernels import (
    Physics,
    best_power,
    between_states,
    money,
    read,
    step,
)

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SLOPES = 8
"""Marginal values that a policy sees, from empty to full."""
VALUE_FEATURES = SLOPES + 7
"""Beside them: price, residual, SOC, room to sell and to buy against the value, rest of power."""
LOG_SCALING, MARGIN = 0.7, 10.0
"""At an action of 1 the values are scaled by e^0.7, about two; the margin in money per MWh."""
_NEAR = 20.0
"""Per MWh: differences from the value are looked at in this measure."""


@njit(cache=True)
def mixed(left: Floats32, means: Floats, residual: float, out: Floats) -> None:
    """Fill `out` with the value curve of a residual between the chain's states."""
    low, high, share = between_states(residual, means)
    for i in range(len(out)):
        out[i] = left[low, i] * (1.0 - share) + left[high, i] * share


@njit(cache=True)
def see(
    at: Ints,
    energy: Floats,
    price: Floats,
    base: Floats,
    offset: float,
    means: Floats,
    left: Floats32,
    battery: Physics,
    measure: float,
    out: Floats32,
) -> None:
    """Fill what is seen of values by each battery.

    Args:
        at: step of each, shape (batteries,).
        energy: of each, shape (batteries,).
        price: of the step for each, shape (batteries,).
        base: expected price of each step, shape (steps,).
        offset: of the chain.
        means: of the chain's states, shape (steps, states).
        left: values, shape (steps, states, points).
        battery: the battery.
        measure: prices are looked at in this, money per MWh.
        out: filled, shape (batteries, VALUE_FEATURES).
    """
    points = left.shape[2]
    curve = np.empty(points)
    full = battery[2]
    spacing = full / (points - 1)
    for n in range(len(at)):
        t = at[n]
        residual = (price[n] - base[t]) / (offset + abs(base[t]))
        mixed(left[t], means[t], residual, curve)
        for k in range(SLOPES):
            low, high = full * k / SLOPES, full * (k + 1) / SLOPES
            slope = (read(curve, spacing, high) - read(curve, spacing, low)) / (high - low)
            out[n, k] = np.arcsinh(slope / measure)
        above = min(energy[n] + full / SLOPES, full)
        below = max(energy[n] - full / SLOPES, 0.0)
        here = read(curve, spacing, energy[n])
        gain = (read(curve, spacing, above) - here) / max(above - energy[n], 1e-6)
        loss = (here - read(curve, spacing, below)) / max(energy[n] - below, 1e-6)
        sell = price[n] - battery[5] - loss / battery[4]
        buy = gain * battery[3] - price[n]
        out[n, SLOPES] = np.arcsinh(price[n] / measure)
        out[n, SLOPES + 1] = np.arcsinh(residual)
        out[n, SLOPES + 2] = 2.0 * energy[n] / full - 1.0
        out[n, SLOPES + 3] = np.arcsinh(sell / _NEAR) if energy[n] > 1e-6 * full else 0.0
        out[n, SLOPES + 4] = np.arcsinh(buy / _NEAR) if energy[n] < full * (1 - 1e-6) else 0.0
        out[n, SLOPES + 5] = 1.0 if energy[n] <= 1e-6 * full else 0.0
        out[n, SLOPES + 6] = 1.0 if energy[n] >= full * (1 - 1e-6) else 0.0


@njit(cache=True)
def answer(
    at: Ints,
    energy: Floats,
    price: Floats,
    action: Floats,
    base: Floats,
    offset: float,
    means: Floats,
    left: Floats32,
    hours: float,
    battery: Physics,
    keep: float,
    must: float,
    earned: Floats,
    power: Floats,
) -> None:
    """Bid as each policy wants: values scaled and a margin kept; move the energies on.

    Args:
        at: step of each battery, shape (batteries,).
        energy: of each; changed, shape (batteries,).
        price: of the step for each, shape (batteries,).
        action: in -1..1, shape (batteries, 2): log of the scaling, margin (below 0: none).
        base: see `see`, as `offset`, `means`, `left`, `battery`.
        offset: see `see`.
        means: see `see`.
        left: see `see`.
        hours: length of a step.
        battery: see `see`.
        keep: energy below which nothing is sold.
        must: energy up to which is bought at any price.
        earned: filled with money, shape (batteries,).
        power: filled with MW, shape (batteries,).
    """
    curve = np.empty(left.shape[2])
    for n in range(len(at)):
        t = at[n]
        mixed(left[t], means[t], (price[n] - base[t]) / (offset + abs(base[t])), curve)
        scaling = np.exp(LOG_SCALING * action[n, 0])
        for i in range(len(curve)):
            curve[i] *= scaling
        margin = MARGIN * max(action[n, 1], 0.0)
        asked = best_power(curve, energy[n], price[n], hours, battery, margin, keep, must)
        energy[n], power[n] = step(energy[n], asked, hours, battery)
        earned[n] = money(power[n], price[n], hours, battery[5])


@njit(cache=True)
def hindsight(
    at: Ints, before: Floats, after: Floats, left: Floats32, full: float, out: Floats
) -> None:
    """Fill how the value known in hindsight has changed: of the energy after, less before."""
    spacing = full / (left.shape[1] - 1)
    for n in range(len(at)):
        t = at[n]
        out[n] = read(left[t], spacing, after[n])
        if t > 0:
            out[n] -= read(left[t - 1], spacing, before[n])


@njit(cache=True)
def deliver(
    energy: Floats,
    price: Floats,
    action: Floats,
    hours: float,
    battery: Physics,
    earned: Floats,
) -> None:
    """Sell or buy a decided power at the price that comes; move the energies on.

    Args:
        energy: of each battery; changed, shape (batteries,).
        price: of the step for each, shape (batteries,).
        action: from -1 (all charging) to 1 (all discharging), shape (batteries,).
        hours: length of a step.
        battery: see `see`.
        earned: filled with money, shape (batteries,).
    """
    for n in range(len(energy)):
        asked = action[n] * (battery[1] if action[n] > 0.0 else battery[0])
        energy[n], power = step(energy[n], asked, hours, battery)
        earned[n] = money(power, price[n], hours, battery[5])


@njit(cache=True)
def foreseen(
    energy: Floats,
    price: Floats,
    left: Floats32,
    hours: float,
    battery: Physics,
    action: Floats,
) -> None:
    """Fill what perfect foresight does from any energy, as actions of `deliver`.

    Args:
        energy: before each step, shape (steps,).
        price: that came, shape (steps,).
        left: values known in hindsight, shape (steps, points).
        hours: see `deliver`.
        battery: see `deliver`.
        action: filled, shape (steps,).
    """
    curve = np.empty(left.shape[1])
    for t in range(len(energy)):
        curve[:] = left[t]
        asked = best_power(curve, energy[t], price[t], hours, battery, 0.0, 0.0, 0.0)
        action[t] = asked / (battery[1] if asked > 0.0 else battery[0])
