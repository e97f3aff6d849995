"""Several batteries in one market that move its price: best responses until nobody gains.

A battery that is large for its market sells its dear hours cheaper by selling in them. Each
player schedules its day best against what the others do (Cournot competition, price falling in
a straight line with what is sold); going round, the schedules settle where none of them gains by
another one (Nash equilibrium), or it is said that they did not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding.value import energy_of, physics

Floats = npt.NDArray[np.float64]

ROUNDS = 200
_POINTS, _LEVELS = 61, 8
_SETTLED_SHARE = 0.01
"""Settled: nobody can gain more than this share of what it earns."""


@dataclass(frozen=True)
class Equilibrium:
    """Where best responses came to.

    Attributes:
        converged: whether nobody gains by another schedule.
        rounds: gone round.
        power_mw: of each player, discharge positive, shape (players, steps).
        price: that comes of it, shape (steps,).
        earned: by each player, wear counted, shape (players,).
        could_gain: the most that a player could still gain by another schedule.
    """

    converged: bool
    rounds: int
    power_mw: Floats
    price: Floats
    earned: Floats
    could_gain: float


def best_responses(
    base: Floats,
    fall_per_mw: float,
    players: Sequence[Battery],
    step_min: int,
    *,
    rounds: int = ROUNDS,
) -> Equilibrium:
    """Let players answer one another until none gains, or for so many rounds.

    Args:
        base: price without them, shape (steps,).
        fall_per_mw: by how much the price falls for each MW that they sell together.
        players: their batteries; each begins at its own SOC.
        step_min: minutes a step.
        rounds: at most.
    """
    hours = step_min / 60
    power = np.zeros((len(players), len(base)))
    could_gain, converged, number = np.inf, False, 0
    for number in range(1, rounds + 1):
        # The newest answers count less and less, so that players who answer in turns come to rest.
        share = 2 / (number + 1)
        gains, sums = [], []
        for n, battery in enumerate(players):
            others = base - fall_per_mw * (power.sum(axis=0) - power[n])
            answer = _best(others, fall_per_mw, battery, hours)
            now = _money(power[n], others, fall_per_mw, hours, battery.wear_per_mwh)
            best = _money(answer, others, fall_per_mw, hours, battery.wear_per_mwh)
            gains.append(best - now)
            sums.append(abs(best))
            # A mixture of two schedules that the battery can follow is one that it can follow.
            power[n] += share * (answer - power[n])
        could_gain = float(max(gains))
        if all(gain <= _SETTLED_SHARE * sum_ for gain, sum_ in zip(gains, sums, strict=True)):
            converged = True
            break
    price = base - fall_per_mw * power.sum(axis=0)
    earned = [
        _money(power[n], price, 0.0, hours, battery.wear_per_mwh)
        for n, battery in enumerate(players)
    ]
    return Equilibrium(converged, number, power, price, np.array(earned), could_gain)


def _best(others: Floats, fall: float, battery: Battery, hours: float) -> Floats:
    """Return the schedule that earns most against what the others leave of the price."""
    from cloud.market.bidding.run_kernels import plan_against  # noqa: PLC0415 - needs numba

    power = np.empty(len(others))
    start = energy_of(battery, battery.soc)
    plan_against(others, fall, start, hours, physics(battery), _POINTS, _LEVELS, power)
    return power


def _money(power: Floats, others: Floats, fall: float, hours: float, wear: float) -> float:
    price = others - fall * power
    return float(((price * power - wear * power.clip(min=0)) * hours).sum())
