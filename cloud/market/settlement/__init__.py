"""Settlement to the cent by each market's rules; deviations explained; what was earned."""

from cloud.market.settlement.causes import Decided, cause_of
from cloud.market.settlement.deviation import Course, Deviation, explain
from cloud.market.settlement.money import Rounding
from cloud.market.settlement.payback import GUIDE, Investment, Payback, payback
from cloud.market.settlement.reconcile import Difference, Fault, Reconciliation, reconcile
from cloud.market.settlement.record import (
    IMBALANCE,
    Contract,
    DayRecord,
    Incomplete,
    Reading,
    RegulationRun,
)
from cloud.market.settlement.revenue import (
    Comparison,
    MixedCurrencies,
    Profit,
    compare,
    profit,
    revenue_by_hour,
    revenue_by_item,
    revenue_by_market,
    revenue_by_station,
)
from cloud.market.settlement.revision import Revision, Whose, revised
from cloud.market.settlement.settle import capacity_compensation, settle

__all__ = [
    "GUIDE",
    "IMBALANCE",
    "Comparison",
    "Contract",
    "Course",
    "DayRecord",
    "Decided",
    "Deviation",
    "Difference",
    "Fault",
    "Incomplete",
    "Investment",
    "MixedCurrencies",
    "Payback",
    "Profit",
    "Reading",
    "Reconciliation",
    "RegulationRun",
    "Revision",
    "Rounding",
    "Whose",
    "capacity_compensation",
    "cause_of",
    "compare",
    "explain",
    "payback",
    "profit",
    "reconcile",
    "revenue_by_hour",
    "revenue_by_item",
    "revenue_by_market",
    "revenue_by_station",
    "revised",
    "settle",
]
