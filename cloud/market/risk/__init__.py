"""Risk: what bids may lose, which limits they keep, and whether past figures were right."""

from cloud.market.risk.figures import Risk, var_cvar, worst_day
from cloud.market.risk.kupiec import Kupiec, backtest, kupiec
from cloud.market.risk.limits import Breach, Enough, Limits, approver, breaches
from cloud.market.risk.scenarios import (
    Followed,
    cleared_mw,
    follow,
    revenue_scenarios,
)
from cloud.market.risk.stress import Stressed, greatest_power, stress

__all__ = [
    "Breach",
    "Enough",
    "Followed",
    "Kupiec",
    "Limits",
    "Risk",
    "Stressed",
    "approver",
    "backtest",
    "breaches",
    "cleared_mw",
    "follow",
    "greatest_power",
    "kupiec",
    "revenue_scenarios",
    "stress",
    "var_cvar",
    "worst_day",
]
