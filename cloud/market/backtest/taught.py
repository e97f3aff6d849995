"""A rival: the opportunity value learnt straight from hindsight, by boosted trees.

What energy turned out to be worth on the training period is the target, at eight energies; what
was seen then is the input (after arXiv:2211.07797, with trees). No chain and no dynamic programme
is used on the tested days. It beats or loses to the Markov-SDP by market; the table says which.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.ahead import WARM_UP_DAYS
from cloud.market.backtest.basic import bid_values
from cloud.market.backtest.case import Case, Outcome
from cloud.market.backtest.learnt import course_of
from cloud.market.backtest.rolling import Rolled, roll_values
from cloud.market.bidding.policy_course import Course, hindsight_values

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

SEGMENTS = 8
_SHAPE = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "verbose": -1,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
}
_TREES = 150
_LAST_DAYS_SHARE = 0.999
"""Targets beyond this quantile are cut to it: one spike teaches nothing about the others."""
_LEAST_DAYS = 30


def learnt_value(case: Case) -> Outcome:
    """Bid a value curve that trees predict from what is seen and the price of the step."""
    import lightgbm  # noqa: PLC0415 - slow to load

    first = int(case.prices.day[0]) + WARM_UP_DAYS
    rolled = roll_values(case, case.first, case.last)
    if case.train_to - first < _LEAST_DAYS:
        note = "fall-back: the Markov-SDP bids; there is too little history to learn from"
        return replace(bid_values(case, rolled), notes=(note,))
    past = replace(case, first=first, last=case.train_to)
    measure = max(float(np.median(np.abs(case.prices.price[case.training]))), 1.0)
    # Only what was seen is used of the values: they are not.
    taught = course_of(past, roll_values(past, past.first, past.last, certain=True), measure)
    inputs, targets = _questions(taught), _slopes(hindsight_values(taught), taught)
    most = np.quantile(targets, _LAST_DAYS_SHARE)
    data = lightgbm.Dataset(_by_segment(inputs), np.minimum(targets, most).ravel())
    trees = lightgbm.train(_SHAPE, data, _TREES)
    tested = course_of(case, rolled, measure)
    told = np.asarray(trees.predict(_by_segment(_questions(tested)))).reshape(-1, SEGMENTS)
    return bid_values(case, _as_values(told, rolled, tested))


def _questions(course: Course) -> Floats32:
    """Return what is seen, with the price of the step, shape (steps, features)."""
    price = np.arcsinh(course.price / course.measure)
    off = np.arcsinh((course.price - course.base) / course.measure)
    return np.column_stack([course.seen, price, off]).astype(np.float32)


def _by_segment(inputs: Floats32) -> Floats32:
    """Repeat each row for every segment of the energy, named in a column of its own."""
    segment = np.tile(np.arange(SEGMENTS, dtype=np.float32), len(inputs))
    return np.column_stack([np.repeat(inputs, SEGMENTS, axis=0), segment])


def _slopes(left: Floats32, course: Course) -> Floats:
    """Return the marginal values of the segments, shape (steps, segments)."""
    grid = np.linspace(0, left.shape[1] - 1, SEGMENTS + 1).round().astype(np.int64)
    width = course.battery.usable_mwh / (left.shape[1] - 1) * np.diff(grid)
    return np.asarray(np.diff(left[:, grid].astype(np.float64), axis=1) / width)


def _as_values(slopes: Floats, rolled: Rolled, course: Course) -> Rolled:
    """Return value curves of one state each, concave as a market needs them."""
    falling = -np.sort(-slopes, axis=1)
    width = course.battery.usable_mwh / SEGMENTS
    curve = np.concatenate([np.zeros((len(slopes), 1)), np.cumsum(falling * width, axis=1)], axis=1)
    nothing = np.zeros((len(slopes), 1))
    return replace(rolled, left=curve[:, None, :], means=nothing)
