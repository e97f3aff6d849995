"""Letting a policy bid step after step, as a market would take it: by curves that rise."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cloud.market.bid import Segment
from cloud.market.bidding.curves import Bands, bid_curve
from cloud.market.bidding.policy_course import Course
from cloud.market.bidding.policy_features import MarketType, market_code
from cloud.market.bidding.value import Values, energy_of, physics

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Actions = Callable[[Floats32], Floats]
"""From what is seen, shape (questions, features), to actions, shape (questions, 2)."""


def run_policy(
    course: Course,
    actions: Actions,
    *,
    energy: float = 0.0,
    kind: MarketType = MarketType.SPOT,
    keep: Floats | None = None,
    must: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Bid by a policy on all steps of a course.

    For every step the policy is asked what it would do at the price of each of the chain's states
    that lies below the price that came, and at that price: what it would sell at a lower price
    it sells at a higher one too, as a curve of offers does.

    Args:
        course: prices and what is known of them.
        actions: the policy.
        energy: at first, MWh above the least that may be planned with.
        kind: of market, told to the policy.
        keep: energy below which nothing is sold, shape (steps,).
        must: energy up to which is bought at any price, shape (steps,).

    Returns:
        Money and power, shape (steps,) each.
    """
    from cloud.market.bidding.kernels import money, step  # noqa: PLC0415 - needs numba

    battery, steps = physics(course.battery), len(course.price)
    nothing = np.zeros(steps)
    keep, must = (nothing if one is None else one for one in (keep, must))
    code = market_code(kind)
    states = course.base[:, None] + (course.offset + np.abs(course.base))[:, None] * course.means
    earned, given = np.empty(steps), np.empty(steps)
    for t in range(steps):
        price = float(course.price[t])
        tried = np.append(states[t][states[t] < price], price)
        promised = (float(keep[t]), float(must[t]))
        power = _answers(course, t, energy, tried, policy=(code, actions), promised=promised)
        energy, given[t] = step(energy, float(power.max()), course.hours, battery)
        earned[t] = money(given[t], price, course.hours, battery[5])
    return earned, given


def policy_curve(
    actions: Actions,
    values: Values,
    step: int,
    soc: float,
    bands: Bands,
    *,
    seen: Floats32,
    measure: float,
    kind: MarketType = MarketType.SPOT,
    promised: tuple[float, float] = (0.0, 0.0),
    spend: float = math.inf,
    paid_mw: float = 0.0,
) -> tuple[Segment, ...]:
    """Return the segments that a policy offers in one step of a horizon.

    Args:
        actions: the policy.
        values: of the energy left.
        step: of the horizon.
        soc: at the step's beginning, 0..1.
        bands: what the product allows.
        seen: of the market before the bid is due (`market_features`), shape (features,).
        measure: of the policy's card.
        kind: of market.
        promised: see `bid_curve`, as `spend` and `paid_mw`.
        spend: money.
        paid_mw: power.
    """
    one = slice(step, step + 1)
    course = Course(
        price=np.zeros(1),
        base=values.base[one],
        offset=values.chain.offset,
        means=values.chain.means[values.chain.block(values.minutes[one])],
        left=values.left[one].astype(np.float32),
        seen=seen[None],
        measure=measure,
        hours=values.step_min / 60,
        battery=values.battery,
    )
    energy, policy = energy_of(values.battery, soc), (market_code(kind), actions)

    def decide(prices: Floats) -> Floats:
        return _answers(course, 0, energy, prices, policy=policy, promised=promised)

    return bid_curve(
        *(values, step, soc, bands),
        promised=promised,
        spend=spend,
        paid_mw=paid_mw,
        decide=decide,
    )


def _answers(
    course: Course,
    t: int,
    energy: float,
    tried: Floats,
    *,
    policy: tuple[Floats32, Actions],
    promised: tuple[float, float],
) -> Floats:
    """Return the power that the policy gives at each tried price, shape (prices,)."""
    from cloud.market.bidding.policy_kernels import (  # noqa: PLC0415 - needs numba
        VALUE_FEATURES,
        answer,
        see,
    )

    code, actions = policy
    count, battery = len(tried), physics(course.battery)
    at, stored = np.full(count, t), np.full(count, energy)
    values = np.empty((count, VALUE_FEATURES), np.float32)
    shared = (course.base, course.offset, course.means, course.left)
    see(at, stored, tried, *shared, battery, course.measure, values)
    market = np.concatenate([course.seen[t], code])
    wanted = actions(
        np.concatenate([np.broadcast_to(market, (count, len(market))), values], axis=1)
    )
    earned, power = np.empty(count), np.empty(count)
    answer(at, stored, tried, wanted, *shared, course.hours, battery, *promised, earned, power)
    return power
