"""Trapezia of contingency and regulation offers: whether they are possible, what they allow."""

from collections.abc import Iterator
from decimal import Decimal

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, Trapezium
from cloud.market.exchanges.violations import Said


def trapezium_problems(one: BidInterval, battery: Battery) -> tuple[Said, ...]:
    """Return what is wrong with an interval's trapezium; empty: nothing."""
    if one.trapezium is None:
        return (
            Said(
                "is missing; name enablement_min, low and high breakpoint, enablement_max",
                "缺失；请填写 enablement_min、低拐点、高拐点、enablement_max",
            ),
        )
    return tuple(_problems(one, one.trapezium, battery))


def _problems(one: BidInterval, shape: Trapezium, battery: Battery) -> Iterator[Said]:
    corners = (
        shape.enablement_min,
        shape.low_breakpoint,
        shape.high_breakpoint,
        shape.enablement_max,
    )
    if list(corners) != sorted(corners):
        shown = ", ".join(map(str, corners))
        yield Said(
            f"corners {shown} do not rise from enablement_min to enablement_max",
            f"四角 {shown} 未由 enablement_min 至 enablement_max 递增",
        )
    lowest, highest = Decimal(str(-battery.charge_mw)), Decimal(str(battery.discharge_mw))
    if corners[0] < lowest or corners[-1] > highest:
        yield Said(
            f"reaches over the station's {lowest} .. {highest} MW",
            f"超出电站范围 {lowest} .. {highest} MW",
        )
    if shape.max_mw <= 0:
        yield Said(f"max_mw {shape.max_mw} is not above 0", f"max_mw {shape.max_mw} 必须大于 0")
    offered = sum((segment.power_mw for segment in one.segments), Decimal(0))
    if offered > shape.max_mw:
        yield Said(
            f"bands add up to {offered} MW, more than max_mw {shape.max_mw}",
            f"各段合计 {offered} MW，超过 max_mw {shape.max_mw}",
        )


def available_mw(shape: Trapezium, output_mw: Decimal) -> Decimal:
    """Return how much reserve can be enabled at an output (discharge positive), MW."""
    if not shape.enablement_min <= output_mw <= shape.enablement_max:
        return Decimal(0)
    if output_mw < shape.low_breakpoint:
        width = shape.low_breakpoint - shape.enablement_min
        return shape.max_mw * (output_mw - shape.enablement_min) / width
    if output_mw > shape.high_breakpoint:
        width = shape.enablement_max - shape.high_breakpoint
        return shape.max_mw * (shape.enablement_max - output_mw) / width
    return shape.max_mw
