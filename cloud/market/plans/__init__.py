"""What a battery should do tomorrow when only quantities can be bid, and why. The public face.

Energy, regulation and contingency reserves are planned together by a mixed-integer programme
(HiGHS): none of them may promise power or stored energy that another has promised already.
Wishes that cannot all be met are broken by name, never silently.
"""

from cloud.market.plans.explain import STILL_MW, IntervalReason, explain
from cloud.market.plans.plan import Broken, CapacityPlan, Plan, PlanFailed
from cloud.market.plans.request import CapacityProduct, PlanRequest, ScenarioRequest, SideMarket
from cloud.market.plans.solve import make_plan
from cloud.market.plans.stochastic import PositionPlan, plan_position
from cloud.market.plans.wishes import CycleBudget, EndSoc, Hold, OfferAtLeast, Run, SocBetween, Wish
from cloud.market.plans.worth import worth_left

__all__ = [
    "STILL_MW",
    "Broken",
    "CapacityPlan",
    "CapacityProduct",
    "CycleBudget",
    "EndSoc",
    "Hold",
    "IntervalReason",
    "OfferAtLeast",
    "Plan",
    "PlanFailed",
    "PlanRequest",
    "PositionPlan",
    "Run",
    "ScenarioRequest",
    "SideMarket",
    "SocBetween",
    "Wish",
    "explain",
    "make_plan",
    "plan_position",
    "worth_left",
]
