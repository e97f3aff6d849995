"""Why other energy was metered than awarded, as far as the station's own controller has told it.

From award to meter there are three steps: what the controller was asked for instead of the award,
what its limits granted of that, and what lies between its grant and the meter. Each is named with
its energy where it is one kWh or more, so that the steps add up to the imbalance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from contract.words import Words

TOLERANCE_MWH = Decimal("0.001")
"""One kWh: what a settlement meter resolves."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the station's controller decided in an interval.

    Attributes:
        asked_mwh: energy of the power that was asked for, to the grid positive.
        granted_mwh: energy of the power that was granted.
        response_mwh: of what was asked, for regulation and frequency response.
        source: who decided for most of it; None: the schedule.
        limit: what limited it for most of it; None: nothing.
    """

    asked_mwh: Decimal
    granted_mwh: Decimal
    response_mwh: Decimal = Decimal(0)
    source: Words | None = None
    limit: Words | None = None


def cause_of(decided: Decided, awarded_mwh: Decimal, delivered_mwh: Decimal) -> Words | None:
    """Return why an interval's meter lies off its award; None: it does not, to the kWh.

    Args:
        decided: what the controller decided.
        awarded_mwh: to the grid positive.
        delivered_mwh: by the meter, to the grid positive.
    """
    if abs(delivered_mwh - awarded_mwh) <= TOLERANCE_MWH:
        return None
    parts = list(_parts(decided, awarded_mwh, delivered_mwh))
    if not parts:
        return None
    return Words("; ".join(one.en for one in parts), "；".join(one.zh for one in parts))


def _parts(decided: Decided, awarded: Decimal, delivered: Decimal) -> Iterator[Words]:
    other = decided.asked_mwh - awarded
    if abs(other) > TOLERANCE_MWH:
        yield _asked(decided, other)
    held = decided.granted_mwh - decided.asked_mwh
    if abs(held) > TOLERANCE_MWH:
        why = decided.limit or Words("a limit of the station", "电站限值")
        yield Words(f"limited by {why.en}: {held:+.3f} MWh", f"受限（{why.zh}）：{held:+.3f} MWh")
    rest = delivered - decided.granted_mwh
    if abs(rest) > TOLERANCE_MWH:
        yield Words(
            f"between the controller and the meter (ramps, losses, the station's own use): "
            f"{rest:+.3f} MWh",
            f"控制器与电表之间（爬坡、损耗、站用电）：{rest:+.3f} MWh",
        )


def _asked(decided: Decided, other: Decimal) -> Words:
    if decided.source is not None:
        who = decided.source
        return Words(
            f"{who.en} decided the power instead of the schedule: {other:+.3f} MWh",
            f"功率由{who.zh}决定而非计划曲线：{other:+.3f} MWh",
        )
    if abs(other - decided.response_mwh) <= TOLERANCE_MWH:
        return Words(
            "the station's own regulation signal and frequency response, which ride on the "
            f"schedule whether or not a bid for them is signed: {other:+.3f} MWh",
            "电站自身的调频信号与频率响应（叠加于计划曲线，与调频申报是否签署无关）："
            f"{other:+.3f} MWh",
        )
    return Words(
        f"the station's schedule asked for something else than the award: {other:+.3f} MWh",
        f"电站计划曲线与中标不同：{other:+.3f} MWh",
    )
