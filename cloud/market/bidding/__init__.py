"""Bids from what stored energy is worth, and the simpler rules that they are measured against.

`opportunity_value` values energy by stochastic dynamic programming over a Markov chain of the
price; `bid_curve` makes segments of it. What is heavy is loaded by the functions that need it.
"""

from cloud.market.bidding.best_response import Equilibrium, best_responses
from cloud.market.bidding.chain import Chain, certain_chain, fit_chain
from cloud.market.bidding.curves import Bands, bid_curve
from cloud.market.bidding.day import DayBids, bid_day
from cloud.market.bidding.foresight import perfect_foresight
from cloud.market.bidding.policy import Policy, load_policy
from cloud.market.bidding.policy_run import policy_curve
from cloud.market.bidding.position import Position, cleared_mw, cover, offered_mw
from cloud.market.bidding.rules import Thresholds, plan_day, tune_thresholds
from cloud.market.bidding.spending import full_charge_cost
from cloud.market.bidding.value import Values, energy_of, opportunity_value

__all__ = [
    "Bands",
    "Chain",
    "DayBids",
    "Equilibrium",
    "Policy",
    "Position",
    "Thresholds",
    "Values",
    "best_responses",
    "bid_curve",
    "bid_day",
    "certain_chain",
    "cleared_mw",
    "cover",
    "energy_of",
    "fit_chain",
    "full_charge_cost",
    "load_policy",
    "offered_mw",
    "opportunity_value",
    "perfect_foresight",
    "plan_day",
    "policy_curve",
    "tune_thresholds",
]
