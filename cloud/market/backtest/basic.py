"""Strategies that learn nothing: rules, schedules, and bids from opportunity values.

Each is a function from a case to what came of it. None sees a price before it was known; only
`perfect` does, and is what all are measured against.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cloud.market.backtest.case import Case, Outcome, believe, profile
from cloud.market.backtest.checked import check_curves
from cloud.market.backtest.rolling import Rolled, roll_values
from cloud.market.bid import Segment
from cloud.market.bidding.chain import Chain
from cloud.market.bidding.curves import bid_curve
from cloud.market.bidding.foresight import perfect_foresight
from cloud.market.bidding.rules import plan_day, tune_thresholds
from cloud.market.bidding.spending import full_charge_cost
from cloud.market.bidding.value import Values, energy_of, physics

Floats = npt.NDArray[np.float64]


def perfect(case: Case) -> Outcome:
    """Schedule with all prices known."""
    price = case.prices.price[case.span]
    _, power = perfect_foresight(price, case.battery, case.prices.step_min)
    return follow(case, power)


def threshold(case: Case) -> Outcome:
    """Charge below a price, discharge above another, both tuned on the training years."""
    return _thresholds(case, valley_only=False)


def valley_peak(case: Case) -> Outcome:
    """Charge from 23:00 to 7:00, discharge above a price tuned on the training years."""
    return _thresholds(case, valley_only=True)


def naive(case: Case) -> Outcome:
    """Schedule each day on the prices of the day before."""
    believed = believe(case)
    steps = case.prices.steps_a_day
    yesterday = np.concatenate([np.full(steps, np.nan), believed.price[:-steps]])
    return scheduled(case, np.where(np.isnan(yesterday), believed.profile, yesterday))


def week_profile(case: Case) -> Outcome:
    """Schedule each day on the mean of the seven days before."""
    believed = believe(case)
    steps = case.prices.steps_a_day
    return scheduled(case, profile(believed.price, steps, 1))


def day_ahead(case: Case) -> Outcome:
    """Schedule each day on its published day-ahead prices."""
    believed = believe(case)
    price = believed.day_ahead
    return scheduled(case, np.where(np.isnan(price), believed.profile, price))


def rolling_point(case: Case) -> Outcome:
    """Bid the curve of values of a forecast believed to be certain (MPC)."""
    return bid_values(case, roll_values(case, case.first, case.last, certain=True))


def independent_sdp(case: Case) -> Outcome:
    """Bid opportunity values whose residual is drawn anew each step."""
    remake: Callable[[Chain], Chain] = Chain.independent
    return bid_values(case, roll_values(case, case.first, case.last, remake=remake))


def markov_sdp(case: Case) -> Outcome:
    """Bid opportunity values over the Markov chain of the residual."""
    return bid_values(case, roll_values(case, case.first, case.last))


def markov_sdp_limited(case: Case) -> Outcome:
    """Bid the same; a day's charging costs no more than a full charge at the usual price."""
    usual = np.nanmean(np.abs(believe(case).price[case.training]))
    spend = full_charge_cost(case.battery, float(usual))
    outcome = bid_values(case, roll_values(case, case.first, case.last), spend=spend)
    note = f"charging costs at most {spend:.2f} a day beyond what the day has earned"
    return replace(outcome, notes=(note,))


def _thresholds(case: Case, *, valley_only: bool) -> Outcome:
    past, span, prices = case.training, case.span, case.prices
    believed = believe(case).price[past]
    known = np.isfinite(believed)
    rule = tune_thresholds(
        believed[known],
        prices.minutes[past][known],
        case.battery,
        prices.step_min,
        valley_only=valley_only,
    )
    asked = rule.asked_mw(prices.price[span], prices.minutes[span], case.battery)
    # A rule asks for power until the battery is empty; that it then rests is its meaning.
    outcome = follow(case, asked)
    return Outcome(outcome.money, outcome.power_mw)


def scheduled(case: Case, forecast: Floats) -> Outcome:
    """Schedule day after day on a forecast, the day after taken to be like it."""
    prices, span = case.prices, case.span
    asked, soc = np.zeros(span.stop - span.start), case.battery.soc
    for day in range(case.first, case.last + 1):
        here = slice(prices.first_of(day), min(prices.first_of(day + 1), span.stop))
        wanted = forecast[here]
        if not len(wanted):
            continue
        power, soc = plan_day(
            np.concatenate([wanted, wanted]), len(wanted), case.battery, prices.step_min, soc=soc
        )
        asked[here.start - span.start : here.stop - span.start] = power
    lost = believe(case).fallback[span]
    outcome = follow(case, asked)
    fallbacks = len(np.unique(prices.day[span][lost]))
    return Outcome(outcome.money, outcome.power_mw, outcome.infeasible, fallbacks)


def follow(case: Case, asked: Floats) -> Outcome:
    """Settle a schedule at the prices that came."""
    from cloud.market.bidding.run_kernels import run_schedule  # noqa: PLC0415 - needs numba

    price = case.prices.price[case.span]
    money, energy, power = (np.empty(len(price)) for _ in range(3))
    battery = case.battery
    start = energy_of(battery, battery.soc)
    hours = case.prices.step_min / 60
    missed = run_schedule(asked, price, start, hours, physics(battery), money, energy, power)
    return Outcome(money, power, missed)


def bid_values(
    case: Case,
    rolled: Rolled,
    *,
    keep: Floats | None = None,
    must: Floats | None = None,
    spend: float = float("inf"),
    checked: bool = True,
) -> Outcome:
    """Bid a curve of values in every step and settle it at the price that came.

    Args:
        case: the back-test.
        rolled: values of the tested steps.
        keep: energy below which nothing is sold, shape (steps,).
        must: energy up to which is bought at any price, shape (steps,).
        spend: see `full_charge_cost`.
        checked: write some of the curves out and count those that could not be submitted.
    """
    from cloud.market.bidding.run_kernels import run_values  # noqa: PLC0415 - needs numba

    price = case.prices.price[case.span]
    money, energy, power, left = (np.empty(len(price)) for _ in range(4))
    battery = case.battery
    run_values(
        price,
        rolled.state_price(),
        rolled.left,
        np.ones(len(price)),
        np.zeros(len(price)),
        np.zeros(len(price)) if keep is None else keep,
        np.zeros(len(price)) if must is None else must,
        case.prices.day[case.span],
        spend,
        energy_of(battery, battery.soc),
        case.prices.step_min / 60,
        physics(battery),
        money,
        energy,
        power,
        left,
    )

    def offer(values: Values, step: int, soc: float) -> tuple[Segment, ...]:
        return bid_curve(values, 0, soc, case.bands, spend=float(left[step]))

    wrong = check_curves(case, rolled, power, offer) if checked else 0
    return Outcome(money, power, wrong, rolled.fallbacks)
