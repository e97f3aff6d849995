"""Why an interval is offered as a curve: from which price it acts, and what for."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from cloud.market.bid import Direction, Segment
from cloud.market.bidding import Values
from cloud.market.bidding.value import energy_of
from cloud.market.units import HOUR_MIN
from contract.words import NO_WORDS, Words

_NOTHING_MWH: Final = 1e-3
"""A kilowatt-hour in store, or of room, is nothing to trade with."""


def curve_words(
    values: Values,
    step: int,
    soc: float,
    curve: Sequence[Segment],
    promised_mw: float,
    *,
    left: float,
    by_policy: bool,
) -> Words:
    """Say what the interval's price must do for the battery to act, and why.

    Args:
        values: of the energy left.
        step: of the horizon.
        soc: at the interval's beginning, 0..1.
        curve: of the battery's whole power.
        promised_mw: beside which only the difference is offered.
        left: money that charging may still cost today.
        by_policy: whether a policy has formed the curve.
    """
    price, states = float(values.base[step]), values.chain.means.shape[1]
    selling, buying = _selling(values, step, soc, curve), _buying(values, step, soc, curve, left)
    ahead = _ahead(values, step)
    en = (
        f"a curve over {states} states of the price ({price:.2f} expected): {selling.en}; "
        f"{buying.en}; a dear interval makes dear ones after it likelier, so energy is worth more "
        f"in it{ahead.en}"
    )
    zh = (
        f"按 {states} 个价格状态的曲线申报（预计 {price:.2f}）：{selling.zh}；{buying.zh}；"
        f"高价时段之后更可能仍是高价，故此时库存价值更高{ahead.zh}"
    )
    if by_policy:
        en += "; the policy has moved these prices by what it has learnt"
        zh += "；策略已据所学调整上述价格"
    if promised_mw:
        en += f"; {promised_mw:+.2f} MW is promised already, and only what differs is offered"
        zh += f"；已成交 {promised_mw:+.2f} MW，仅申报差额"
    return Words(en, zh)


def _selling(values: Values, step: int, soc: float, curve: Sequence[Segment]) -> Words:
    battery, bands = values.battery, _bands(curve, Direction.DISCHARGE)
    if not bands:
        if energy_of(battery, soc) < _NOTHING_MWH:
            return Words("sold at no price: nothing is left in store", "任何价格均不卖出：库存已空")
        price = float(values.base[step])
        worth = values.marginal(step, price, soc)[1]
        least = worth / battery.discharge_efficiency + battery.wear_per_mwh
        return Words(
            f"not sold: a MWh in store is worth {worth:.2f} later, so that selling it would pay "
            f"from {least:.2f} on, with losses and wear",
            f"不卖出：库存每 MWh 日后价值 {worth:.2f}，计入损耗与折损，"
            f"价格不低于 {least:.2f} 才宜卖出",
        )
    (power, at), *more = bands
    worth = values.marginal(step, at, soc)[1]
    least = worth / battery.discharge_efficiency + battery.wear_per_mwh
    return Words(
        f"sold from {at:.2f}, where a MWh in store is worth {worth:.2f} later, {least:.2f} with "
        f"losses and wear: {power} MW{_then(more, 'from')}",
        f"不低于 {at:.2f} 卖出，此时库存每 MWh 日后价值 {worth:.2f}，计入损耗与折损为 {least:.2f}："
        f"{power} MW{_then_zh(more, '不低于')}",
    )


def _buying(values: Values, step: int, soc: float, curve: Sequence[Segment], left: float) -> Words:
    battery, bands = values.battery, _bands(curve, Direction.CHARGE)
    if left <= 0.0:
        return Words(
            "nothing more is bought unless that is paid for: the day has spent what it may on "
            "charging",
            "除非价格不高于零，不再多买：当日充电支出已达上限",
        )
    if not bands:
        if battery.usable_mwh - energy_of(battery, soc) < _NOTHING_MWH:
            return Words("bought at no price: the store is full", "任何价格均不买入：库存已满")
        price = float(values.base[step])
        worth = values.marginal(step, price, soc)[0]
        most = worth * battery.charge_efficiency
        return Words(
            f"not bought: one more MWh in store will be worth {worth:.2f}, so that buying it would "
            f"pay up to {most:.2f}, with losses",
            f"不买入：再多 1 MWh 日后价值 {worth:.2f}，计入损耗，价格不高于 {most:.2f} 才宜买入",
        )
    (power, at), *more = bands
    worth = values.marginal(step, at, soc)[0]
    most = worth * battery.charge_efficiency
    held = _held(left, most * battery.charge_mw * values.step_min / HOUR_MIN)
    return Words(
        f"bought up to {at:.2f}, where one more MWh will be worth {worth:.2f}, {most:.2f} with "
        f"losses: {power} MW{_then(more, 'up to')}{held.en}",
        f"不高于 {at:.2f} 买入，此时再多 1 MWh 日后价值 {worth:.2f}，计入损耗为 {most:.2f}："
        f"{power} MW{_then_zh(more, '不高于')}{held.zh}",
    )


def _held(left: float, whole: float) -> Words:
    """Say what holds the buying down, where charging at full power might cost more than it may."""
    if left >= whole:
        return NO_WORDS
    return Words(
        f", held down as charging may cost {left:.2f} more today",
        f"，因今日充电支出只余 {left:.2f} 而受限",
    )


def _ahead(values: Values, step: int) -> Words:
    """Name the dearest and the cheapest step ahead, where energy is sold or bought better."""
    prices = values.base[step + 1 :]
    if not len(prices):
        return NO_WORDS
    high, low = (int(place(prices)) + step + 1 for place in (np.argmax, np.argmin))
    (dear, dearest), (cheap, cheapest) = (
        (_clock(int(values.minutes[at])), float(values.base[at])) for at in (high, low)
    )
    return Words(
        f"; ahead the dearest time is {dear} ({dearest:.2f} expected), the cheapest {cheap} "
        f"({cheapest:.2f} expected)",
        f"；其后价格最高为 {dear}（预计 {dearest:.2f}），最低为 {cheap}（预计 {cheapest:.2f}）",
    )


def _clock(minute: int) -> str:
    """Write a minute of the day as a time."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


_Band = tuple[Decimal, float]
"""Power in MW, and the price from which on, or up to which, it is called."""


def _bands(curve: Sequence[Segment], direction: Direction) -> list[_Band]:
    """Return the bands of a direction, the first to be called first."""
    return [(one.power_mw, float(one.price or 0)) for one in curve if one.direction is direction]


def _then(bands: Sequence[_Band], way: str) -> str:
    """Name the bands after the first: the store runs short, or full, and each costs more."""
    return "".join(f", {power} MW more {way} {at:.2f}" for power, at in bands)


def _then_zh(bands: Sequence[_Band], way: str) -> str:
    return "".join(f"，{way} {at:.2f} 再加 {power} MW" for power, at in bands)
