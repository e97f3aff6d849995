"""The strategies that a back-test can run, by name."""

from collections.abc import Callable
from functools import partial

from cloud.market.backtest import ahead, basic, forecasted, learnt, taught, unaided
from cloud.market.backtest.case import Case, Outcome
from cloud.market.bidding.policy_power import Rival
from cloud.market.bidding.position import Position

Strategy = Callable[[Case], Outcome]

STRATEGIES: dict[str, Strategy] = {
    "perfect": basic.perfect,
    "threshold": basic.threshold,
    "valley-peak": basic.valley_peak,
    "lp-naive": basic.naive,
    "lp-7-day": basic.week_profile,
    "lp-prophet": forecasted.additive,
    "lp-lightgbm": forecasted.boosted,
    "lp-lightgbm-day-ahead": forecasted.boosted_day_ahead,
    "lp-day-ahead": basic.day_ahead,
    "mpc": basic.rolling_point,
    "sdp-independent": basic.independent_sdp,
    "learnt-value": taught.learnt_value,
    **{kind.value: partial(unaided.rival, kind=kind) for kind in Rival},
    "markov-sdp": basic.markov_sdp,
    "markov-sdp+limit": basic.markov_sdp_limited,
    "markov-sdp+da-50-naked": partial(ahead.naked, position=Position(0.5, -1e9, buys=True)),
    "markov-sdp+da-100-naked": partial(ahead.naked, position=Position(1.0, -1e9, buys=True)),
    "markov-sdp+da": ahead.value_and_position,
    "ppo": learnt.policy,
    "ppo-ungated": learnt.policy_ungated,
    "ppo+da": learnt.policy_and_position,
}
"""In the order of the table. None sees a price before it was known, but `perfect`."""
