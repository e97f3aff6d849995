"""Why a plan does what it does: what each interval's price must be for the battery to act.

A MWh in the cells has a worth, the dual of the energy balance. Discharging pays from
`worth / discharge efficiency + wear` on, charging up to `worth x charge efficiency`.
"""

from dataclasses import dataclass
from typing import Final

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
        charge_below: charging pays up to this price.
        discharge_above: discharging pays from this price on.
        sentence: in English, made of these facts.
        sentence_zh: in Chinese.
    """

    power_mw: float
    price: float
    charge_below: float
    discharge_above: float
    sentence: str
    sentence_zh: str


def explain(request: PlanRequest, plan: Plan) -> tuple[IntervalReason, ...]:
    """Return the reason of each interval of a plan."""
    battery = request.battery
    return tuple(
        _reason(
            float(power),
            float(price),
            float(worth) * battery.charge_efficiency,
            float(worth) / battery.discharge_efficiency + battery.wear_per_mwh,
            _held(plan, index),
        )
        for index, (power, price, worth) in enumerate(
            zip(plan.power_mw, request.price, plan.energy_value, strict=True)
        )
    )


def _held(plan: Plan, index: int) -> list[tuple[str, float]]:
    """Name the capacity that holds power back in an interval, with its MW."""
    return [
        (product, float(offer.offered_mw[index]))
        for product, offer in plan.capacity.items()
        if offer.offered_mw[index] > _STILL_MW
    ]


def _reason(
    power: float, price: float, below: float, above: float, held: list[tuple[str, float]]
) -> IntervalReason:
    if power > _STILL_MW:
        en = f"discharges: {price:.2f} is at or above {above:.2f}, from where on it pays"
        zh = f"放电：价格 {price:.2f} 不低于 {above:.2f}，自此起有利可图"
    elif power < -_STILL_MW:
        en = f"charges: {price:.2f} is at or below {below:.2f}, up to where it pays"
        zh = f"充电：价格 {price:.2f} 不高于 {below:.2f}，至此仍有利可图"
    else:
        en = f"stands still: {price:.2f} lies between {below:.2f} and {above:.2f}"
        zh = f"静置：价格 {price:.2f} 介于 {below:.2f} 与 {above:.2f} 之间"
    if held:
        en += "; held ready: " + ", ".join(f"{mw:.2f} MW of {name}" for name, mw in held)
        zh += "；预留：" + "，".join(f"{name} {mw:.2f} MW" for name, mw in held)
    return IntervalReason(power, price, below, above, en, zh)
