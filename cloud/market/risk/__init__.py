"""Risk: what bids may lose, which limits they keep, and whether past figures were right."""

from cloud.market.risk.figures import Risk, var_cvar, worst_day
from cloud.market.risk.kupiec import Kupiec, backtest, kupiec
from cloud.market.risk.limits import Breach, Enough, Limits, approver, breaches
from cloud.market.risk.position import Position, cap_position, position_gain
from cloud.market.risk.scenarios import (
    Followed,
    block_bootstrap,
    cleared_mw,
    follow,
    history_paths,
    revenue_scenarios,
)
from cloud.market.risk.stress import Stressed, greatest_power, stress

__all__ = [
    "Breach",
    "Enough",
    "Followed",
    "Kupiec",
    "Limits",
    "Position",
    "Risk",
    "Stressed",
    "approver",
    "backtest",
    "block_bootstrap",
    "breaches",
    "cap_position",
    "cleared_mw",
    "follow",
    "greatest_power",
    "history_paths",
    "kupiec",
    "position_gain",
    "revenue_scenarios",
    "stress",
    "var_cvar",
    "worst_day",
]
