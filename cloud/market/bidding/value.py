"""What stored energy is worth: the opportunity value, by stochastic dynamic programming.

A megawatt-hour sold now cannot be sold later. Its value is found backwards from the end of what
is known of prices, for every energy and every state of the residual's Markov chain (after
Zheng, Jaworski and Xu, arXiv:2108.06000, with more states). Bids follow from it: discharge at
v / efficiency + wear and more, charge at v x efficiency and less.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding.chain import Chain

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POINTS = 41
"""Of the grid over the energy, empty and full included."""
END_SHARE = 0.4
"""What a MWh left at the end of the horizon is worth, as a share of the horizon's mean price."""


@dataclass(frozen=True)
class Values:
    """Value of the energy left after each step of a horizon.

    Attributes:
        start_ms: UTC epoch of the first step.
        step_min: minutes a step.
        base: price expected of each step, shape (steps,).
        minutes: local minute of the day of each step, shape (steps,).
        chain: of the residual of the price from the base.
        left: expected money from the next step on, shape (steps, states, points): given the
            state in this step and the energy after it, on an even grid from empty to full.
        battery: for which battery.
    """

    start_ms: int
    step_min: int
    base: Floats
    minutes: Ints
    chain: Chain
    left: Floats
    battery: Battery

    @property
    def energy_mwh(self) -> Floats:
        """The grid of energies, shape (points,), MWh above the least that may be planned with."""
        return np.linspace(0.0, self.battery.usable_mwh, self.left.shape[2])

    def at_price(self, step: int, price: float) -> Floats:
        """Return the value of the energy left if a step's price is this, shape (points,)."""
        from cloud.market.bidding.kernels import between_states  # noqa: PLC0415 - needs numba

        base = self.base[step : step + 1]
        residual = float(self.chain.residual(np.array([price]), base)[0])
        means = self.chain.means[self.chain.block(self.minutes[step])]
        low, high, share = between_states(residual, means)
        return np.asarray(self.left[step, low] * (1 - share) + self.left[step, high] * share)

    def marginal(self, step: int, price: float, soc: float) -> tuple[float, float]:
        """Return what a little more and a little less energy is worth, per MWh stored.

        Args:
            step: of the horizon.
            price: of that step.
            soc: state of charge, 0..1.
        """
        curve, grid = self.at_price(step, price), self.energy_mwh
        slope = np.diff(curve) / np.diff(grid)
        place = energy_of(self.battery, soc) / grid[1]
        above = min(int(place + 1e-9), len(slope) - 1)
        below = max(int(np.ceil(place - 1e-9)) - 1, 0)
        return float(slope[above]), float(slope[below])


def energy_of(battery: Battery, soc: float) -> float:
    """Return the MWh above the least that may be planned with, held within the battery."""
    return float(np.clip((soc - battery.soc_min) * battery.energy_mwh, 0.0, battery.usable_mwh))


def physics(battery: Battery) -> tuple[float, float, float, float, float, float]:
    """Return the battery as the kernels want it."""
    return (
        float(battery.charge_mw),
        float(battery.discharge_mw),
        float(battery.usable_mwh),
        float(battery.charge_efficiency),
        float(battery.discharge_efficiency),
        float(battery.wear_per_mwh),
    )


def opportunity_value(
    battery: Battery,
    chain: Chain,
    base: Floats,
    minutes: Ints,
    *,
    start_ms: int,
    step_min: int,
    end_price: float | None = None,
    points: int = POINTS,
) -> Values:
    """Value the energy after every step of a horizon.

    Args:
        battery: what is valued.
        chain: of the residual of prices from the base.
        base: price expected of each step, finite, shape (steps,).
        minutes: local minute of the day of each step, shape (steps,).
        start_ms: UTC epoch of the first step.
        step_min: minutes a step.
        end_price: worth of a MWh delivered after the horizon; `END_SHARE` of the mean base
            without it.
        points: of the grid over the energy.

    Returns:
        The values; `left` has shape (steps, states, points).
    """
    from cloud.market.bidding.kernels import backward  # noqa: PLC0415 - needs numba

    price = END_SHARE * float(np.mean(base)) if end_price is None else end_price
    end = np.linspace(0.0, battery.usable_mwh, points) * price * battery.discharge_efficiency
    left = np.empty((len(base), chain.means.shape[1], points))
    backward(
        chain.prices(base, minutes),
        chain.transitions,
        chain.block(minutes),
        end,
        step_min / 60,
        physics(battery),
        left,
    )
    return Values(start_ms, step_min, base, minutes, chain, left, battery)
