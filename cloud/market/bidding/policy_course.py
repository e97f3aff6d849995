"""Years of prices that a policy learns on, with everything that does not change while it does."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Course:
    """Prices, values and features of consecutive steps.

    Attributes:
        price: that came, shape (steps,).
        base: expected of each step, shape (steps,).
        offset: of the chain of residuals.
        means: of the chain's states, shape (steps, states).
        left: opportunity values, shape (steps, states, points).
        seen: features of the market, shape (steps, features).
        measure: prices are looked at in this, money per MWh.
        hours: length of a step.
        battery: what bids.
    """

    price: Floats
    base: Floats
    offset: float
    means: Floats
    left: Floats32
    seen: Floats32
    measure: float
    hours: float
    battery: Battery

    def cut(self, begin: int, end: int) -> "Course":
        """Return a part of it."""
        part = slice(begin, end)
        return Course(
            self.price[part],
            self.base[part],
            self.offset,
            self.means[part],
            self.left[part],
            self.seen[part],
            self.measure,
            self.hours,
            self.battery,
        )


def hindsight_values(course: Course) -> Floats32:
    """Return what energy turned out to be worth after each step, shape (steps, points).

    Its change is added to the reward. That telescopes over an episode, so the best policy stays
    the best (Ng, Harada and Russell 1999), but each step is told at once what it was worth.
    """
    from cloud.market.bidding.kernels import backward  # noqa: PLC0415 - needs numba
    from cloud.market.bidding.value import physics  # noqa: PLC0415 - as above

    points = course.left.shape[2]
    out = np.empty((len(course.price), 1, points))
    backward(
        course.price[:, None],
        np.ones((1, 1, 1)),
        np.zeros(len(course.price), np.int64),
        np.zeros(points),
        course.hours,
        physics(course.battery),
        out,
    )
    return out[:, 0].astype(np.float32)
