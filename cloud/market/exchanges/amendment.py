"""What may change in a bid that the exchange holds already, and how a change is justified."""

import re
from collections.abc import Iterator
from decimal import Decimal

from cloud.market.bid import BidSet, Direction
from cloud.market.exchanges.market import Product
from cloud.market.exchanges.violations import CHINESE, Rule, Said, Violation
from cloud.market.exchanges.words import Amend

LONGEST_REASON = 500
"""Characters of an explanation; the width of the column in the operator's published tables."""
_FEWEST_WORDS = 4
_SAME = {
    "station": "电站",
    "market": "市场",
    "product": "品种",
    "day": "运行日",
    "interval_min": "时段长度",
    "mode": "申报方式",
}
_EMPTY = ("change in plan", "commercial reasons", "optimisation", "portfolio", "trader decision")


def check_amendment(
    before: BidSet, after: BidSet, product: Product, reason: str
) -> tuple[Violation, ...]:
    """Return what forbids a change of a submitted bid; empty: it may be sent.

    In Australia (NER 3.8.22 and 3.8.22A) prices stand once the day's gate is closed; a rebid
    moves MW between the bands and carries a brief, verifiable and specific reason.
    """
    return tuple(_check(before, after, product, reason))


def reason_problem(reason: str) -> Said | None:
    """Return why a reason is not brief, verifiable and specific; None: it is.

    It must be short enough to be stored, more than a few words, name a time or a number that
    can be looked up, and not consist of a phrase that says nothing.
    """
    if len(reason) > LONGEST_REASON:
        return Said(
            f"it has {len(reason)} characters, at most {LONGEST_REASON}",
            f"共 {len(reason)} 个字符，最多 {LONGEST_REASON} 个",
        )
    if len(reason.split()) < _FEWEST_WORDS:
        return Said("say in a sentence what changed and when", "请用一句话说明何时发生了什么变化")
    if not re.search(r"\d", reason):
        return Said(
            "name a time, a price or a quantity that can be looked up",
            "请写明可查证的时间、价格或数量",
        )
    if re.sub(r"[^a-z ]", "", reason.lower()).strip() in _EMPTY:
        return Said(f"{reason!r} says nothing about what changed", f"{reason!r} 未说明变化内容")
    return None


def _check(before: BidSet, after: BidSet, product: Product, reason: str) -> Iterator[Violation]:
    if product.amend is Amend.NEVER:
        yield _forbidden("bids are final once submitted", "申报提交后不可更改")
        return
    for name, chinese in _SAME.items():
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            yield _forbidden(f"{name} was {was}, is {now}", f"{chinese}由 {was} 改为 {now}")
    if product.amend is Amend.POWER_ONLY:
        yield from _prices(before, after)
    problem = reason_problem(reason) if product.reason_needed else None
    if problem is not None:
        yield Violation(Rule.REASON, facts=problem.facts())


def _prices(before: BidSet, after: BidSet) -> Iterator[Violation]:
    for direction in Direction:
        fresh = ladder(after, direction) - ladder(before, direction)
        if fresh:
            shown = ", ".join(str(price) for price in sorted(fresh))
            yield _forbidden(
                f"{direction.value} at {shown}: not a price of the first bid",
                f"{CHINESE[direction.value]}价格 {shown} 不在首次申报的价格中",
            )


def ladder(bid: BidSet, direction: Direction) -> set[Decimal]:
    """Return the prices that a bid uses in a direction."""
    return {
        segment.price
        for one in bid.intervals
        for segment in one.segments
        if segment.direction is direction and segment.price is not None
    }


def _forbidden(english: str, chinese: str) -> Violation:
    return Violation(Rule.AMEND, facts=Said(english, chinese).facts())
