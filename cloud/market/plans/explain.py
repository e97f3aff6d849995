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
    """

    power_mw: float
    price: float
    charge_below: float
    discharge_above: float
    sentence: str


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


def _held(plan: Plan, index: int) -> str:
    """Name the capacity that holds power back in an interval."""
    held = [
        f"{offer.offered_mw[index]:.2f} MW of {product}"
        for product, offer in plan.capacity.items()
        if offer.offered_mw[index] > _STILL_MW
    ]
    return f"; held ready: {', '.join(held)}" if held else ""


def _reason(power: float, price: float, below: float, above: float, held: str) -> IntervalReason:
    if power > _STILL_MW:
        why = f"discharges: {price:.2f} is at or above {above:.2f}, from where on it pays"
    elif power < -_STILL_MW:
        why = f"charges: {price:.2f} is at or below {below:.2f}, up to where it pays"
    else:
        why = f"stands still: {price:.2f} lies between {below:.2f} and {above:.2f}"
    return IntervalReason(power, price, below, above, why + held)
