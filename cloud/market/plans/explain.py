"""Why a plan does what it does: what each interval's price must be for the battery to act.

A MWh in the cells has a worth, the dual of the energy balance. Discharging pays from
`worth / discharge efficiency + wear` on, charging up to `worth x charge efficiency`. The dual is
tight: it is set by the next best hour, which is not offered, and is named. What is offered may
therefore go as far as its own trade still pays: charging up to what the sale that follows brings
back, discharging from what the purchase before has cost. A price that is a little off the forecast
then loses no trade that would have paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.plans.next_use import NextUse, Way, next_uses
from cloud.market.plans.plan import Plan
from cloud.market.plans.request import PlanRequest
from cloud.market.plans.wishes import EndSoc
from contract.words import NO_WORDS, Words

# Below a kilowatt the battery is said to stand still.
STILL_MW: Final = 1e-3
_TOLD: Final = 0.005
"""Prices are told with two digits."""


@dataclass(frozen=True, slots=True)
class IntervalReason:
    """Why an interval does what it does.

    Attributes:
        power_mw: planned, discharge positive.
        price: believed, per MWh.
        charge_below: more charging pays up to this price, per MWh bought.
        discharge_above: more discharging pays from this price on, per MWh sold.
        charge_why: what makes the price of charging.
        discharge_why: what makes that of discharging.
        held: the capacity that holds power back; empty: none.
        use: the next best use of a MWh in store, with its interval, price, and worth.
        later: what the plan does next, or could do best, with intervals and prices; empty: the plan
            ends here.
    """

    power_mw: float
    price: float
    charge_below: float
    discharge_above: float
    charge_why: Words
    discharge_why: Words
    held: Words
    use: Words = NO_WORDS
    later: Words = NO_WORDS

    @property
    def short_of(self) -> float:
        """How far the price lies from one at which the battery acts, per MWh; 0: it acts."""
        below, above = self.price - self.charge_below, self.discharge_above - self.price
        return max(min(below, above), 0.0)

    @property
    def rests(self) -> Words:
        """What the price would have to do for the battery to act, and when it acts instead."""
        price, below, above = self.price, self.charge_below, self.discharge_above
        en = (
            f"{price:.2f} is expected, more charging would pay below {below:.2f} and more "
            f"discharging above {above:.2f}"
        )
        zh = f"预计 {price:.2f}，低于 {below:.2f} 才宜多充，高于 {above:.2f} 才宜多放"
        if not below - _TOLD <= price <= above + _TOLD and not self.held.en:
            en += "; power and store are kept for other intervals"
            zh += "；功率与库存留作其他时段"
        return _joined(Words(en, zh), self.later)

    @property
    def words(self) -> Words:
        """All of it in both languages."""
        price, below, above = self.price, self.charge_below, self.discharge_above
        if self.power_mw > STILL_MW:
            en = (
                f"discharges at {above:.2f} or more ({price:.2f} expected): {self.discharge_why.en}"
            )
            zh = f"价格不低于 {above:.2f} 时放电（预计 {price:.2f}）：{self.discharge_why.zh}"
        elif self.power_mw < -STILL_MW:
            en = f"charges at {below:.2f} or less ({price:.2f} expected): {self.charge_why.en}"
            zh = f"价格不高于 {below:.2f} 时充电（预计 {price:.2f}）：{self.charge_why.zh}"
        else:
            told = _joined(self.rests, self.use)
            en, zh = f"stands still: {told.en}", f"静置：{told.zh}"
        return Words(en + self.held.en, zh + self.held.zh)


def _joined(first: Words, then: Words) -> Words:
    """Return two statements as one; the second may be empty."""
    if not then.en:
        return first
    return Words(f"{first.en}; {then.en}", f"{first.zh}；{then.zh}")


def explain(
    request: PlanRequest,
    plan: Plan,
    names: Mapping[str, Words] | None = None,
    times: Sequence[str] | None = None,
) -> tuple[IntervalReason, ...]:
    """Return the reason of each interval of a plan.

    Args:
        request: what was planned.
        plan: what came of it.
        names: of products that are held ready, by id; else the id stands there.
        times: when each interval begins, as a reader writes it; else its number, from 0.
    """
    known = times or [f"#{index}" for index in range(len(plan.power_mw))]
    found, uses = [], next_uses(request, plan)
    for index, power in enumerate(plan.power_mw.tolist()):
        worth = float(plan.energy_value[index])
        use = _worth(_use(uses[index], index, known), worth)
        below, charge_why = _charge(request, plan, index, known, use)
        above, discharge_why = _discharge(request, plan, index, known, use)
        price, held = float(request.price[index]), _held(plan, index, names or {})
        whys = charge_why, discharge_why, held, use, _later(request, plan, index, known)
        found.append(IntervalReason(power, price, below, above, *whys))
    return tuple(found)


def _charge(
    request: PlanRequest, plan: Plan, index: int, times: Sequence[str], use: Words
) -> tuple[float, Words]:
    """Return up to which price charging pays, per MWh bought, and what makes it."""
    battery, worth = request.battery, float(plan.energy_value[index])
    into = battery.charge_efficiency
    below = worth * into
    sold = np.flatnonzero(plan.power_mw[index + 1 :] > STILL_MW) + index + 1
    if plan.power_mw[index] < -STILL_MW:
        if not len(sold):
            return _kept(request, below)
        poorest = int(sold[np.argmin(request.price[sold])])
        price, wear = float(request.price[poorest]), battery.wear_per_mwh
        trip = into * battery.discharge_efficiency
        if (price - wear) * trip >= below - _TOLD:
            below = (price - wear) * trip
            return below, Words(
                f"of each MWh bought {trip:.1%} is sold again, at {price:.2f} or more "
                f"({times[poorest]}); less wear of {wear:.2f} that brings {below:.2f} per MWh "
                "bought",
                f"每买入 1 MWh 可再售出 {trip:.1%}，售价不低于 {price:.2f}（{times[poorest]}），"
                f"扣除损耗成本 {wear:.2f}，每买入 1 MWh 收益 {below:.2f}",
            )
    return below, Words(
        f"{use.en}; {into:.1%} of each MWh bought gets there, which is {below:.2f} per MWh bought",
        f"{use.zh}；买入电量的 {into:.1%} 入库，每买入 1 MWh 合 {below:.2f}",
    )


def _kept(request: PlanRequest, below: float) -> tuple[float, Words]:
    """Return what charging pays whose energy is not sold again within the plan."""
    into = request.battery.charge_efficiency
    asked = [wish for wish in request.wishes if isinstance(wish, EndSoc)]
    if asked and below > request.end_value * into + _TOLD:
        return below, Words(
            f"it is kept, since an SOC is asked for at the end; to reach it a MWh in store is "
            f"worth {below / into:.2f}, and {into:.1%} of each MWh bought gets there",
            f"为达到期末要求的 SOC 而留存；为此库存每 MWh 价值 {below / into:.2f}，"
            f"买入电量的 {into:.1%} 入库",
        )
    below = max(below, request.end_value * into)
    return below, Words(
        f"it is kept to the end, where a MWh in store is worth {below / into:.2f}; {into:.1%} of "
        f"each MWh bought gets there, which is {below:.2f} per MWh bought",
        f"留存至期末，届时库存每 MWh 价值 {below / into:.2f}；买入电量的 {into:.1%} 入库，"
        f"每买入 1 MWh 合 {below:.2f}",
    )


def _discharge(
    request: PlanRequest, plan: Plan, index: int, times: Sequence[str], use: Words
) -> tuple[float, Words]:
    """Return from which price on discharging pays, per MWh sold, and what makes it."""
    battery, worth = request.battery, float(plan.energy_value[index])
    out, wear = battery.discharge_efficiency, battery.wear_per_mwh
    above = worth / out + wear
    bought = np.flatnonzero(plan.power_mw[:index] < -STILL_MW)
    if plan.power_mw[index] > STILL_MW:
        if not len(bought):
            return _found(request, above)
        dearest = int(bought[np.argmax(request.price[bought])])
        price, trip = float(request.price[dearest]), battery.charge_efficiency * out
        if price / trip + wear <= above + _TOLD:
            above = price / trip + wear
            return above, Words(
                f"bought at {price:.2f} or less ({times[dearest]}), {trip:.1%} of it comes back, "
                f"which with wear of {wear:.2f} costs {above:.2f} per MWh sold",
                f"买入价不高于 {price:.2f}（{times[dearest]}），往返效率 {trip:.1%}，"
                f"计入损耗成本 {wear:.2f}，每售出 1 MWh 成本 {above:.2f}",
            )
    return above, Words(
        f"{use.en}; {out:.1%} of it comes out, which with wear of {wear:.2f} costs {above:.2f} per "
        "MWh sold",
        f"{use.zh}；放出效率 {out:.1%}，计入损耗成本 {wear:.2f}，每售出 1 MWh 成本 {above:.2f}",
    )


def _use(use: NextUse, index: int, times: Sequence[str]) -> Words:
    """Name the next best use of a MWh in store, with its interval and price."""
    at, price = times[use.index], f"{use.price:.2f}"
    if use.index == index and use.way in {Way.SALE, Way.PURCHASE}:
        return Words(
            f"its own price ({price} expected) makes the difference here",
            f"此处由本时段价格决定（预计 {price}）",
        )
    match use.way:
        case Way.SALE:
            return Words(
                f"its next best use is a sale at {at} ({price} expected)",
                f"次优用途为 {at} 售出（预计 {price}）",
            )
        case Way.PURCHASE:
            return Words(
                f"its next best use is to spare a purchase at {at} ({price} expected)",
                f"次优用途为少在 {at} 买入（预计 {price}）",
            )
        case Way.HELD:
            return Words(
                f"its next best use is with the power that is held ready at {at}",
                f"次优用途为支撑 {at} 的预留功率",
            )
        case Way.END:
            return Words(
                "its next best use is to be kept to the end of the plan",
                "次优用途为留存至计划期末",
            )
        case Way.OTHER:
            return Words(
                "its next best use is set by a wish of the plan (cycles, an SOC asked for)",
                "次优用途由计划的其他要求（循环次数、SOC）决定",
            )


def _worth(use: Words, worth: float) -> Words:
    """Say what a use makes a MWh in store worth."""
    return Words(
        f"{use.en}, which makes a MWh in store worth {worth:.2f} then",
        f"{use.zh}，届时库存每 MWh 价值 {worth:.2f}",
    )


def _later(request: PlanRequest, plan: Plan, index: int, times: Sequence[str]) -> Words:
    """Say when the plan buys and sells next; where it does neither, which hours come nearest."""
    power = plan.power_mw[index + 1 :]
    if not len(power):
        return NO_WORDS
    bought, sold = np.flatnonzero(power < -STILL_MW), np.flatnonzero(power > STILL_MW)
    acts: list[Words] = []
    for places, en, zh in ((bought, "buys", "买入"), (sold, "sells", "卖出")):
        if len(places):
            at = int(places[0]) + index + 1
            price = _price_of(request, plan, at)
            acts.append(
                Words(
                    f"{en} next at {times[at]} ({price:.2f} expected)",
                    f"{times[at]} {zh}（预计 {price:.2f}）",
                )
            )
    if acts:
        en, zh = " and ".join(one.en for one in acts), "、".join(one.zh for one in acts)
        return Words(f"the plan {en}", f"计划下一次于 {zh}")
    prices = request.price[index + 1 :]
    low, high = (int(place(prices)) + index + 1 for place in (np.argmin, np.argmax))
    return Words(
        f"no later interval of the plan pays either: the cheapest is {times[low]} "
        f"({request.price[low]:.2f} expected), the dearest {times[high]} "
        f"({request.price[high]:.2f} expected)",
        f"计划内其后各时段也无收益：最低为 {times[low]}（预计 {request.price[low]:.2f}），"
        f"最高为 {times[high]}（预计 {request.price[high]:.2f}）",
    )


def _price_of(request: PlanRequest, plan: Plan, at: int) -> float:
    """Return the price at which an interval trades: of the market that takes most of its power."""
    beside = {one.id: float(plan.side_mw[one.id][at]) for one in request.side}
    power = float(plan.power_mw[at])
    traded = {"": power - sum(beside.values())} | beside
    most = max(traded, key=lambda name: traded[name] * power)
    return next((float(one.price[at]) for one in request.side if one.id == most), request.price[at])


def _found(request: PlanRequest, above: float) -> tuple[float, Words]:
    """Return from where on energy is sold that was in store when the plan began."""
    battery = request.battery
    out, wear = battery.discharge_efficiency, battery.wear_per_mwh
    above = min(above, request.end_value / out + wear)
    worth = (above - wear) * out
    return above, Words(
        f"in store already, where a MWh would be worth {worth:.2f} if it were kept; {out:.1%} of "
        f"it comes out, which with wear of {wear:.2f} costs {above:.2f} per MWh sold",
        f"已在库存，留存则每 MWh 价值 {worth:.2f}；放出效率 {out:.1%}，"
        f"计入损耗成本 {wear:.2f}，每售出 1 MWh 成本 {above:.2f}",
    )


def _held(plan: Plan, index: int, names: Mapping[str, Words]) -> Words:
    """Name the capacity that holds power back in an interval."""
    held = [
        (names.get(product, Words(product, product)), float(offer.offered_mw[index]))
        for product, offer in plan.capacity.items()
        if offer.offered_mw[index] > STILL_MW
    ]
    if not held:
        return NO_WORDS
    return Words(
        "; held ready: " + ", ".join(f"{mw:.2f} MW of {name.en}" for name, mw in held),
        "；预留：" + "，".join(f"{name.zh} {mw:.2f} MW" for name, mw in held),
    )
