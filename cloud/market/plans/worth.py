"""What energy that is left in store is worth while a plan goes on."""

from cloud.market.plans.plan import Plan
from cloud.market.plans.request import PlanRequest


def worth_left(request: PlanRequest, plan: Plan, index: int) -> float:
    """Return what a MWh in the cells is worth at the end of an interval of a plan.

    At the plan's end it is what the request says. Before it is the dual of the energy balance, but
    no more than the dearest hour after it brings: a wish that is broken makes a dual that nobody
    pays. It is never less than nothing.

    Args:
        request: what was planned.
        plan: what came of it.
        index: of the interval.
    """
    if index >= len(plan.power_mw) - 1:
        return request.end_value
    battery = request.battery
    dearest = float(request.price[index + 1 :].max())
    brings = (dearest - battery.wear_per_mwh) * battery.discharge_efficiency
    return max(min(float(plan.energy_value[index]), max(brings, request.end_value)), 0.0)
