"""Why a plan does what it does: what each interval's price must be for the battery to act.

A MWh in the cells has a worth, the dual of the energy balance. Discharging pays from
`worth / discharge efficiency + wear` on, charging up to `worth x charge efficiency`. The dual is
tight: it is set by the next best hour, which is not offered. What is offered may therefore go as
far as its own trade still pays: charging up to what the sale that follows brings back, discharging
from what the purchase before has cost. A price that is a little off the forecast then loses no
trade that would have paid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.plans.plan import Plan
from cloud.market.plans.request import PlanRequest

# Below a kilowatt the battery is said to stand still.
_STILL_MW: Final = 1e-3


@dataclass(frozen=True, slots=True)
class IntervalReason:
    """Why an interval does what it does.

    Attributes:
        power_mw: planned, discharge positive.
        price: believed, per MWh.
        charge_below: more charging pays up to this price.
        discharge_above: more discharging pays from this price on.
        sentence: in English, made of these facts.
        sentence_zh: in Chinese.
    """

    power_mw: float
    price: float
    charge_below: float
    discharge_above: float
    sentence: str
    sentence_zh: str


def explain(
    request: PlanRequest, plan: Plan, names_zh: Mapping[str, str] | None = None
) -> tuple[IntervalReason, ...]:
    """Return the reason of each interval of a plan.

    Args:
        request: what was planned.
        plan: what came of it.
        names_zh: Chinese names of products that are held ready, by id; else the id stands there.
    """
    names = names_zh or {}
    return tuple(_reason(request, plan, index, names) for index in range(len(plan.power_mw)))


def _reason(
    request: PlanRequest, plan: Plan, index: int, names_zh: Mapping[str, str]
) -> IntervalReason:
    battery = request.battery
    power, price = float(plan.power_mw[index]), float(request.price[index])
    worth = float(plan.energy_value[index])
    below = worth * battery.charge_efficiency
    above = worth / battery.discharge_efficiency + battery.wear_per_mwh
    if power > _STILL_MW:
        cost = _cost(request, plan, index)
        above = min(above, cost / battery.discharge_efficiency + battery.wear_per_mwh)
        en = f"discharges at {above:.2f} or more ({price:.2f} expected): its energy cost {cost:.2f}"
        zh = f"价格不低于 {above:.2f} 时放电（预计 {price:.2f}）：电能成本 {cost:.2f}"
    elif power < -_STILL_MW:
        brings = _brings(request, plan, index)
        below = max(below, brings * battery.charge_efficiency)
        en = (
            f"charges at {below:.2f} or less ({price:.2f} expected): its energy brings {brings:.2f}"
        )
        zh = f"价格不高于 {below:.2f} 时充电（预计 {price:.2f}）：电能收益 {brings:.2f}"
    else:
        en = f"stands still: {price:.2f} lies between {below:.2f} and {above:.2f}"
        zh = f"静置：价格 {price:.2f} 介于 {below:.2f} 与 {above:.2f} 之间"
    en_held, zh_held = _held(plan, index, names_zh)
    return IntervalReason(power, price, below, above, en + en_held, zh + zh_held)


def _brings(request: PlanRequest, plan: Plan, index: int) -> float:
    """Return what a MWh in the cells brings by the poorest sale that is planned after an interval.

    Without a sale it is what one left at the end is worth.
    """
    sold = np.flatnonzero(plan.power_mw[index + 1 :] > _STILL_MW) + index + 1
    if not len(sold):
        return request.end_value
    battery = request.battery
    poorest = float(request.price[sold].min())
    return (poorest - battery.wear_per_mwh) * battery.discharge_efficiency


def _cost(request: PlanRequest, plan: Plan, index: int) -> float:
    """Return what a MWh in the cells cost at the dearest purchase planned before an interval.

    Without a purchase it is what it would be worth at the end.
    """
    bought = np.flatnonzero(plan.power_mw[:index] < -_STILL_MW)
    if not len(bought):
        return request.end_value
    return float(request.price[bought].max()) / request.battery.charge_efficiency


def _held(plan: Plan, index: int, names_zh: Mapping[str, str]) -> tuple[str, str]:
    """Name the capacity that holds power back in an interval, in both languages."""
    held = [
        (product, float(offer.offered_mw[index]))
        for product, offer in plan.capacity.items()
        if offer.offered_mw[index] > _STILL_MW
    ]
    if not held:
        return "", ""
    return (
        "; held ready: " + ", ".join(f"{mw:.2f} MW of {name}" for name, mw in held),
        "；预留：" + "，".join(f"{names_zh.get(name, name)} {mw:.2f} MW" for name, mw in held),
    )
