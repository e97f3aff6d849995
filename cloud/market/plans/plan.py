"""A plan: what the battery does in each interval, what that earns, and what could not be had."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.market.errors import MarketError
from cloud.market.forecast import Floats
from contract.words import Words


class PlanFailed(MarketError):  # noqa: N818 - an outcome: the caller falls back on another plan
    """There is no plan within the battery's own limits, or none was found in time."""

    def __init__(self, status: str, limit_s: float) -> None:
        self.status, self.limit_s = status, limit_s
        super().__init__(
            Words(
                f"no plan was found within {limit_s:g} s (HiGHS: {status}): allow more time, or "
                "look whether the battery's limits and its SOC at the beginning agree",
                f"{limit_s:g} 秒内未找到计划（HiGHS：{status}）：请放宽时间，或检查电池限值与起始 "
                "SOC 是否相符",
            )
        )


@dataclass(frozen=True, slots=True)
class Broken:
    """A wish that could not be met whole.

    Attributes:
        name: of the wish.
        by: how far it is missed, in the wish's unit.
        unit: as "MWh".
        sentence: what that means, in English.
    """

    name: str
    by: float
    unit: str
    sentence: str


@dataclass(frozen=True)
class CapacityPlan:
    """What is offered of a capacity product: MW by interval, and what it is expected to earn."""

    offered_mw: Floats
    earned: float


@dataclass(frozen=True)
class Plan:
    """A day's plan.

    Attributes:
        power_mw: at the point of connection, discharge positive, shape (intervals,).
        soc: at the end of each interval, 0..1, shape (intervals,).
        energy_value: what one more MWh in the cells would be worth at the end of each interval,
            in the market's currency; shape (intervals,).
        capacity: by id of the product.
        side_mw: by id of a market beside the spot market, the part of `power_mw` that is sold
            (positive) or bought there, shape (intervals,).
        revenue: expected from energy and capacity, before wear.
        wear: cost of ageing.
        gap: how much better the best plan could be at the most, relative; 0: proven best.
        broken: wishes that could not be met.
        seconds: spent.
    """

    power_mw: Floats
    soc: Floats
    energy_value: Floats
    capacity: Mapping[str, CapacityPlan]
    side_mw: Mapping[str, Floats]
    revenue: float
    wear: float
    gap: float
    broken: tuple[Broken, ...]
    seconds: float
