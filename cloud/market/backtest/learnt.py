"""Strategies that learn a policy on the training period, behind the gate.

The last eight weeks of the training period are not learnt on: a policy that does not earn more
than the Markov-SDP there does not bid, and the Markov-SDP bids instead; the row says so.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.ahead import WARM_UP_DAYS, choose_position, sell, with_money, words
from cloud.market.backtest.basic import bid_values
from cloud.market.backtest.case import Case, Outcome, believe
from cloud.market.backtest.checked import check_curves
from cloud.market.backtest.rolling import Rolled, base_price, roll_values
from cloud.market.bid import Segment
from cloud.market.bidding.policy import load_policy
from cloud.market.bidding.policy_course import Course
from cloud.market.bidding.policy_features import Seen, market_features
from cloud.market.bidding.policy_run import policy_curve, run_policy
from cloud.market.bidding.value import Values, energy_of

Floats = npt.NDArray[np.float64]

UNSEEN_DAYS = 56
"""Of the training period's end, kept for the gate."""
LEAST_DAYS = 60
"""Of learning: with fewer, hardly a week of it is like another."""


def policy(case: Case) -> Outcome:
    """Bid by the policy if it passed the gate, else by opportunity values."""
    return _bid(case, None, None)


def policy_ungated(case: Case) -> Outcome:
    """Bid by the policy whatever the gate says: what the gate withheld or let through."""
    return _bid(case, None, None, gated=False)


def policy_and_position(case: Case) -> Outcome:
    """The same beside the day-ahead position that did best on the training period."""
    position = choose_position(case)
    sold = sell(case, position)
    return with_money(_bid(case, sold.keep, sold.must), sold, words(position))


def course_of(case: Case, rolled: Rolled, measure: float) -> Course:
    """Return the tested steps of a case as a policy's course."""
    prices, believed = case.prices, believe(case)
    base = base_price(case, believed)
    load = case.seen.load
    if load is not None:
        load = load / np.nanmean(load[case.training])
    seen = Seen(believed.price, base, _known_to(case), prices.minutes, prices.step_min, load)
    features = market_features(seen, case.battery, measure)
    return Course(
        price=prices.price[case.span],
        base=rolled.base,
        offset=rolled.offset,
        means=rolled.means,
        left=rolled.left.astype(np.float32),
        seen=features[case.span],
        measure=measure,
        hours=prices.step_min / 60,
        battery=case.battery,
    )


def _bid(case: Case, keep: Floats | None, must: Floats | None, *, gated: bool = True) -> Outcome:
    rolled = roll_values(case, case.first, case.last)
    values = bid_values(case, rolled, keep=keep, must=must)
    folder, first = case.wanted.policy, int(case.prices.day[0]) + WARM_UP_DAYS
    short = case.train_to - first < LEAST_DAYS + UNSEEN_DAYS
    if folder is None or (short and not case.wanted.policy_as_is):
        lacking = f"a policy is trained on {LEAST_DAYS + UNSEEN_DAYS} days after {WARM_UP_DAYS}"
        return replace(values, notes=(f"fall-back: the Markov-SDP bids; {lacking}",))
    if not case.wanted.policy_as_is:
        _train(case, first, folder)
    loaded = load_policy(folder)
    gate = loaded.card["gate"]["reason"]
    if gated and not loaded.promoted:
        return replace(values, notes=(f"fall-back: the Markov-SDP bids; the policy {gate}",))
    course = course_of(case, rolled, loaded.measure)
    money, power = run_policy(
        course,
        loaded.actions,
        energy=energy_of(case.battery, case.battery.soc),
        keep=keep,
        must=must,
    )

    def offer(values: Values, step: int, soc: float) -> tuple[Segment, ...]:
        seen, measure = course.seen[step], loaded.measure
        return policy_curve(loaded.actions, values, 0, soc, case.bands, seen=seen, measure=measure)

    wrong = check_curves(case, rolled, power, offer)
    return Outcome(money, power, wrong, values.fallbacks, (f"the policy {gate}",))


def learnt_and_unseen(
    case: Case, first: int, unseen_days: int
) -> tuple[Course, Course, npt.NDArray[np.int64]]:
    """Return what a policy learns on, and the end of the training period, kept for the gate.

    Args:
        case: with its training period.
        first: local day from which on is learnt; before it lies history that values need.
        unseen_days: kept for the gate.

    Returns:
        Both courses, and the local day of each step of the second, shape (steps,).
    """
    past = replace(case, first=first, last=case.train_to)
    whole = course_of(past, roll_values(past, past.first, past.last), usual_price(case))
    cut = case.prices.first_of(case.train_to + 1 - unseen_days) - past.span.start
    end = past.span.stop - past.span.start
    return whole.cut(0, cut), whole.cut(cut, end), case.prices.day[past.span][cut:end]


def usual_price(case: Case) -> float:
    """Return the measure in which a policy looks at prices, money per MWh."""
    return max(float(np.median(np.abs(believe(case).profile[case.training]))), 1.0)


def _train(case: Case, first: int, folder: Path) -> None:
    """Train and judge, unless the folder holds the same policy."""
    # Only who learns needs PyTorch.
    from cloud.market.bidding.policy_training.train import (  # noqa: PLC0415
        Options,
        retrain,
    )

    wanted = case.wanted
    learnt, unseen, days = learnt_and_unseen(case, first, UNSEEN_DAYS)
    retrain(
        learnt,
        unseen,
        days,
        folder,
        options=Options(wanted.policy_steps, tuple(range(wanted.policy_seeds))),
        progress=_told(case),
    )


def _told(case: Case) -> Callable[[int, int, int], None]:
    def told(seed: int, done: int, of: int) -> None:
        if case.wanted.tell:
            case.wanted.tell(f"policy, seed {seed}", done, of)

    return told


def _known_to(case: Case) -> npt.NDArray[np.int64]:
    """Return the first step whose day-ahead price is not known at each step, shape (steps,)."""
    prices = case.prices
    first, last = int(prices.day[0]), int(prices.day[-1])
    begins = np.array([prices.first_of(day) for day in range(first, last + 3)])
    number = prices.day - first
    if prices.day_ahead is None:
        return np.asarray(begins[number + 1])
    late = (prices.minutes >= case.known_minute).astype(np.int64)
    return np.asarray(begins[number + 1 + late])
