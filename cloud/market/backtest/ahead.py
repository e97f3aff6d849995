"""Strategies with a day-ahead position: part of a day's plan is sold before real time.

How much, from which price, and whether charging is bought ahead too, is chosen on the training
period: what earned most while the worst days cost no more than half the cap. Half, because one
year's worst days say little of the next one's.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.basic import bid_values
from cloud.market.backtest.case import Case, Outcome, believe
from cloud.market.backtest.measures import cvar, daily
from cloud.market.backtest.rolling import Rolled, roll_values
from cloud.market.bidding.position import (
    NO_POSITION,
    Position,
    cleared_mw,
    cover,
    money_of,
    offered_mw,
)
from cloud.market.errors import BadSeries

Floats = npt.NDArray[np.float64]

WARM_UP_DAYS = 35
"""Of history before strategies are tried on the training period."""
_SHARES = (0.25, 0.5, 0.75, 1.0)
_LEAST_PRICES = (0.0, 1.5, 2.0, 3.0)
"""Of the mean day-ahead price of the training period."""
_CAP_SHARE = 0.5
_WEEK = 7


@dataclass(frozen=True)
class Sold:
    """A position as it cleared over the tested steps.

    Attributes:
        money: beside what the battery does, shape (steps,).
        keep: see `cover`, shape (steps,).
        must: see `cover`, shape (steps,).
    """

    money: Floats
    keep: Floats
    must: Floats


def naked(case: Case, position: Position) -> Outcome:
    """Hold a position that is not covered: what the danger is measured with."""
    rolled = roll_values(case, case.first, case.last)
    alone = bid_values(case, rolled)
    return with_money(alone, sell(case, position), f"position of {position.share:.0%}, not covered")


def value_and_position(case: Case) -> Outcome:
    """Bid opportunity values beside the position that did best on the training period."""
    position = choose_position(case)
    sold = sell(case, position)
    rolled = roll_values(case, case.first, case.last)
    outcome = bid_values(case, rolled, keep=sold.keep, must=sold.must)
    return with_money(outcome, sold, words(position))


def with_money(outcome: Outcome, sold: Sold, note: str) -> Outcome:
    """Return an outcome with a position's money and a note."""
    return replace(outcome, money=outcome.money + sold.money, notes=(*outcome.notes, note))


def words(position: Position) -> str:
    """Say what a position is."""
    if position.share == 0.0:
        return "no day-ahead position kept the cap on the training period"
    bought = "charging bought ahead" if position.buys else "charging left to real time"
    return (
        f"day-ahead position of {position.share:.0%} from {position.least_price:.2f}, covered, "
        f"{bought}; chosen on the training period"
    )


def choose_position(case: Case) -> Position:
    """Return the position that earned most on the training period within half the cap."""
    prices = case.prices
    first = int(prices.day[0]) + WARM_UP_DAYS
    past = replace(case, first=first, last=case.train_to)
    if prices.day_ahead is None:
        raise BadSeries("a day-ahead position needs a day-ahead price: name da=COLUMN in --columns")
    if case.train_to - first < WARM_UP_DAYS:
        return NO_POSITION
    rolled = roll_values(past, past.first, past.last)
    mean = float(np.nanmean(prices.day_ahead[case.training]))
    tried = [
        Position(share, round(level * mean, 2), buys)
        for share in _SHARES
        for level in _LEAST_PRICES
        for buys in (False, True)
    ]
    limit = _CAP_SHARE * case.wanted.cvar_cap * case.battery.discharge_mw
    alone = daily(past, bid_values(past, rolled, checked=False).money).sum()
    best, chosen = float(alone), NO_POSITION
    plans = {buys: _plans(past, Position(1.0, 0.0, buys)) for buys in (False, True)}
    for position in tried:
        earned = _earned(past, rolled, position, plans[position.buys])
        if cvar(earned) <= limit and earned.sum() > best:
            best, chosen = float(earned.sum()), position
    return chosen


def sell(case: Case, position: Position) -> Sold:
    """Offer a position on every tested day and settle what clears."""
    plans = _plans(case, replace(position, share=1.0))
    return _settled(case, position, plans)


def _earned(case: Case, rolled: Rolled, position: Position, plans: Floats) -> Floats:
    sold = _settled(case, position, plans)
    outcome = bid_values(case, rolled, keep=sold.keep, must=sold.must, checked=False)
    return daily(case, outcome.money + sold.money)


def _settled(case: Case, position: Position, plans: Floats) -> Sold:
    prices, span = case.prices, case.span
    came = prices.day_ahead[span] if prices.day_ahead is not None else np.full(len(plans), np.nan)
    cleared = cleared_mw(position.share * plans, came, position)
    keep, must = cover(cleared, case.battery, prices.step_min)
    return Sold(money_of(cleared, came, prices.price[span], prices.step_min), keep, must)


def _plans(case: Case, position: Position) -> Floats:
    """Return what a whole plan offers on each tested day, shape (steps,).

    Its prices are the mean of the day before and of the seven days before: all of them were
    published when the gate closes.
    """
    prices, believed = case.prices, believe(case)
    day = prices.steps_a_day
    known = np.where(np.isfinite(believed.day_ahead), believed.day_ahead, believed.profile)
    shifted = [np.concatenate([known[:day]] * n + [known[: -day * n]]) for n in range(1, _WEEK + 1)]
    expected = 0.5 * shifted[0] + 0.5 * np.mean(shifted, axis=0)
    span, out = case.span, []
    for number in range(case.first, case.last + 1):
        here = slice(prices.first_of(number), min(prices.first_of(number + 1), span.stop))
        out.append(offered_mw(expected[here], case.battery, prices.step_min, position))
    return np.concatenate(out)
