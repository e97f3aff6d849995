"""Policies that decide a power, not a curve: what a back-test compares our bids with.

A power is decided when the bid of its step is due, and is sold or bought at whatever price comes.
The newest price seen is that of two steps before. No such policy bids in the product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cloud.market.bidding.policy_course import Course
from cloud.market.bidding.value import physics

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_NOTHING_SHARE = 1e-6


class Rival(StrEnum):
    """How such a policy is learnt."""

    PLAIN = "ppo-plain"
    IMITATION = "imitation"
    CONTINUED = "imitation+ppo"
    VALUES = "ppo-values"


@dataclass(frozen=True)
class Told:
    """What the policy is told in each step of a course.

    Attributes:
        course: its prices are what is settled at; told is only what stands in `seen`.
        thought: price of each step if the newest residual known lasts, shape (steps,). Values are
            told as they are at that price; None: no values are told.
    """

    course: Course
    thought: Floats | None = None

    def see(self, at: Ints, energy: Floats) -> Floats32:
        """Return what is seen, shape (batteries, features).

        Args:
            at: step of each battery, shape (batteries,).
            energy: of each at the beginning of the step, MWh, shape (batteries,). It is known when
                the bid is due: what is decided for the step before is delivered at any price.
        """
        thought = self.thought
        own = self._energy(energy) if thought is None else self._values(at, energy, thought)
        return np.concatenate([self.course.seen[at], own], axis=1)

    def _energy(self, energy: Floats) -> Floats32:
        """SOC, whether empty, whether full."""
        share = energy / self.course.battery.usable_mwh
        ends = [share <= _NOTHING_SHARE, share >= 1 - _NOTHING_SHARE]
        return np.stack([2 * share - 1, *ends], axis=1).astype(np.float32)

    def _values(self, at: Ints, energy: Floats, thought: Floats) -> Floats32:
        from cloud.market.bidding.policy_kernels import (  # noqa: PLC0415 - needs numba
            VALUE_FEATURES,
            see,
        )

        course = self.course
        out = np.empty((len(at), VALUE_FEATURES), np.float32)
        shared = (course.base, course.offset, course.means, course.left)
        see(at, energy, thought[at], *shared, physics(course.battery), course.measure, out)
        return out

    @property
    def features(self) -> int:
        """How many numbers are seen."""
        return int(self.see(np.zeros(1, np.int64), np.zeros(1)).shape[1])


def run_power(
    told: Told, actions: Callable[[Floats32], Floats], energy: float
) -> tuple[Floats, Floats]:
    """Let a policy decide on all steps of a course.

    Args:
        told: what it is told.
        actions: from what is seen, shape (1, features), to -1 (all charging) .. 1 (all
            discharging), shape (1, 1).
        energy: at first, MWh above the least that may be planned with.

    Returns:
        Money and power in MW, shape (steps,) each.
    """
    from cloud.market.bidding.kernels import money, step  # noqa: PLC0415 - needs numba

    course = told.course
    battery, steps = physics(course.battery), len(course.price)
    earned, given = np.empty(steps), np.empty(steps)
    for t in range(steps):
        action = float(actions(told.see(np.array([t]), np.array([energy])))[0, 0])
        asked = action * battery[1 if action > 0 else 0]
        energy, given[t] = step(energy, asked, course.hours, battery)
        earned[t] = money(given[t], float(course.price[t]), course.hours, battery[5])
    return earned, given
