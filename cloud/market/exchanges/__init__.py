"""Markets: their rules as files, the check of bids, submission, answers and statements.

A market is a TOML file in `profiles/`; see docs/market-exchanges.md for how one is added.
"""

from cloud.market.exchanges.amendment import check_amendment, reason_problem
from cloud.market.exchanges.check import check, check_eligibility, check_together, rated_mw
from cloud.market.exchanges.gates import Calendar, DayGate, Gate, IntervalGate
from cloud.market.exchanges.market import (
    Eligibility,
    Market,
    Origin,
    Product,
    load_market,
    market_ids,
)
from cloud.market.exchanges.trapezium import available_mw
from cloud.market.exchanges.violations import Rule, Violation
from cloud.market.exchanges.words import Amend, Format, Kind, Role, Stage

__all__ = [
    "Amend",
    "Calendar",
    "DayGate",
    "Eligibility",
    "Format",
    "Gate",
    "IntervalGate",
    "Kind",
    "Market",
    "Origin",
    "Product",
    "Role",
    "Rule",
    "Stage",
    "Violation",
    "available_mw",
    "check",
    "check_amendment",
    "check_eligibility",
    "check_together",
    "load_market",
    "market_ids",
    "rated_mw",
    "reason_problem",
]
