"""What may change in a bid that the exchange holds already, and how a change is justified."""

import re
from collections.abc import Iterator
from decimal import Decimal

from cloud.market.bid import BidSet, Direction
from cloud.market.exchanges.market import Product
from cloud.market.exchanges.violations import Rule, Violation
from cloud.market.exchanges.words import Amend

LONGEST_REASON = 500
"""Characters of an explanation; the width of the column in the operator's published tables."""
_FEWEST_WORDS = 4
_EMPTY = ("change in plan", "commercial reasons", "optimisation", "portfolio", "trader decision")


def check_amendment(
    before: BidSet, after: BidSet, product: Product, reason: str
) -> tuple[Violation, ...]:
    """Return what forbids a change of a submitted bid; empty: it may be sent.

    In Australia (NER 3.8.22 and 3.8.22A) prices stand once the day's gate is closed; a rebid
    moves MW between the bands and carries a brief, verifiable and specific reason.
    """
    return tuple(_check(before, after, product, reason))


def reason_problem(reason: str) -> str:
    """Return why a reason is not brief, verifiable and specific; empty: it is.

    It must be short enough to be stored, more than a few words, name a time or a number that
    can be looked up, and not consist of a phrase that says nothing.
    """
    words = reason.split()
    if len(reason) > LONGEST_REASON:
        return f"it has {len(reason)} characters, at most {LONGEST_REASON}"
    if len(words) < _FEWEST_WORDS:
        return "say in a sentence what changed and when"
    if not re.search(r"\d", reason):
        return "name a time, a price or a quantity that can be looked up"
    bare = re.sub(r"[^a-z ]", "", reason.lower()).strip()
    if any(bare == phrase for phrase in _EMPTY):
        return f"{reason!r} says nothing about what changed"
    return ""


def _check(before: BidSet, after: BidSet, product: Product, reason: str) -> Iterator[Violation]:
    if product.amend is Amend.NEVER:
        yield _forbidden("bids are final once submitted")
        return
    same = ("station", "market", "product", "day", "interval_min", "mode")
    for name in same:
        if getattr(before, name) != getattr(after, name):
            yield _forbidden(f"{name} was {getattr(before, name)}, is {getattr(after, name)}")
    if product.amend is Amend.POWER_ONLY:
        yield from _prices(before, after)
    problem = reason_problem(reason) if product.reason_needed else ""
    if problem:
        yield Violation(Rule.REASON, facts={"problem": problem})


def _prices(before: BidSet, after: BidSet) -> Iterator[Violation]:
    for direction in Direction:
        fresh = ladder(after, direction) - ladder(before, direction)
        if fresh:
            shown = ", ".join(str(price) for price in sorted(fresh))
            yield _forbidden(f"{direction.value} at {shown}: not a price of the first bid")


def ladder(bid: BidSet, direction: Direction) -> set[Decimal]:
    """Return the prices that a bid uses in a direction."""
    return {
        segment.price
        for one in bid.intervals
        for segment in one.segments
        if segment.direction is direction and segment.price is not None
    }


def _forbidden(problem: str) -> Violation:
    return Violation(Rule.AMEND, facts={"problem": problem})
