"""Why an interval is offered as a curve: from which price it acts, and what for."""

from collections.abc import Sequence
from decimal import Decimal

from cloud.market.bid import Direction, Segment
from cloud.market.bidding import Values
from contract.words import Words


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
    en = (
        f"a curve over {states} states of the price ({price:.2f} expected): {selling.en}; "
        f"{buying.en}; a dear interval makes dear ones after it likelier, so energy is worth more "
        "in it"
    )
    zh = (
        f"按 {states} 个价格状态的曲线申报（预计 {price:.2f}）：{selling.zh}；{buying.zh}；"
        "高价时段之后更可能仍是高价，故此时库存价值更高"
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
        return Words(
            "sold at no price: there is nothing left to give, or it does not pay",
            "任何价格均不卖出：库存不足或无收益",
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
    bands = _bands(curve, Direction.CHARGE)
    if left <= 0.0:
        return Words(
            "bought only where that is paid for: the day has spent what it may on charging",
            "仅在价格不高于零时买入：当日充电支出已达上限",
        )
    if not bands:
        return Words(
            "bought at no price: there is no room left, or it does not pay",
            "任何价格均不买入：余量不足或无收益",
        )
    (power, at), *more = bands
    worth = values.marginal(step, at, soc)[0]
    most = worth * values.battery.charge_efficiency
    return Words(
        f"bought up to {at:.2f}, where one more MWh will be worth {worth:.2f}, {most:.2f} with "
        f"losses: {power} MW{_then(more, 'up to')}",
        f"不高于 {at:.2f} 买入，此时再多 1 MWh 日后价值 {worth:.2f}，计入损耗为 {most:.2f}："
        f"{power} MW{_then_zh(more, '不高于')}",
    )


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
