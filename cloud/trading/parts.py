"""A bid's part of a settled day: what the statement says of its product in its time.

A line of the whole day belongs to the bid that offers the whole day. Where the day is offered in
parts, no part can claim it: it is said of the day and counts in no bid.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from cloud.market.bids import Bid, Changed, Differs, Explained, Settlement
from cloud.market.exchanges import Market
from cloud.market.settlement import Course, Difference, Revision, Whose, revised
from cloud.market.statement import Item, Line, Statement
from cloud.market.units import MINUTE_MS
from cloud.trading.settling import SettledDay
from contract.words import Words

_UNEVEN = frozenset({Item.IMBALANCE, Item.DEVIATION})
_ZERO = Decimal(0)


def part_of(bid: Bid, told: Statement, day: SettledDay, market: Market) -> Settlement:
    """Return what a statement says of a bid's product in its time, and what we say of that time.

    Args:
        bid: the bid.
        told: the statement of its station's day.
        day: what came of settling the day here.
        market: the rules.
    """
    whole = _is_whole(bid, market)
    lines: dict[str, Decimal] = {}
    of_the_day = _ZERO
    for line in told.lines:
        if line.detail != bid.product or not _within(bid, line.start_ms):
            continue
        if line.start_ms is None and not whole:
            of_the_day += line.amount
        else:
            lines[line.item.value] = lines.get(line.item.value, _ZERO) + line.amount
    amount = sum(lines.values(), _ZERO)
    found = () if day.found is None else day.found.differences
    return Settlement(
        amount,
        told.currency,
        lines,
        (*_rest(bid, told, amount, of_the_day), day.words),
        theirs=_lines_of(bid, told),
        ours=None if day.ours is None else _lines_of(bid, day.ours),
        theirs_day=told.total,
        ours_day=None if day.ours is None else day.ours.total,
        differences=tuple(_named(one) for one in found if _within(bid, one.start_ms)),
        deviations=tuple(_explained(bid, day)),
        differs=day.differs,
    )


def changes(before: Settlement, after: Settlement) -> tuple[Changed, ...]:
    """Return the lines of a bid that are others than when it was settled before."""
    found = [*revised(before.theirs, after.theirs, Whose.THEIRS)]
    if before.ours is not None and after.ours is not None:
        found += revised(before.ours, after.ours, Whose.OURS)
    return changed_lines(found)


def changed_lines(found: Iterable[Revision]) -> tuple[Changed, ...]:
    """Return revised lines as a bid or a day keeps them."""
    return tuple(
        Changed(one.start_ms, one.whose.value, one.item.value, one.detail, one.money, one.words)
        for one in found
    )


def _rest(bid: Bid, told: Statement, amount: Decimal, of_the_day: Decimal) -> Iterator[Words]:
    currency, rest = told.currency, told.total - amount
    if of_the_day:
        yield Words(
            f"{of_the_day} {currency} of {bid.product} are for the whole day and in no bid's part",
            f"{bid.product} 有 {of_the_day} {currency} 属全天，不计入任何单笔申报",
        )
    if rest:
        yield Words(
            f"{rest} {currency} of the day's statement are for something else",
            f"当日结算单另有 {rest} {currency} 属其他项目",
        )


def _is_whole(bid: Bid, market: Market) -> bool:
    product = market.product(bid.product)
    starts = product.intervals_ms(bid.day)
    end_ms = starts[-1] + product.interval_min * MINUTE_MS
    return bid.begin_ms <= starts[0] and bid.end_ms >= end_ms


def _within(bid: Bid, start_ms: int | None) -> bool:
    return start_ms is None or bid.begin_ms <= start_ms < bid.end_ms


def _lines_of(bid: Bid, statement: Statement) -> tuple[Line, ...]:
    """Return the lines of a bid's product and of deviations in its time, and those of the day."""
    return tuple(
        one
        for one in statement.lines
        if _within(bid, one.start_ms)
        and (one.start_ms is None or one.detail == bid.product or one.item in _UNEVEN)
    )


def _named(one: Difference) -> Differs:
    return Differs(
        *(one.start_ms, one.item.value, one.detail, one.fault.value, one.ours, one.theirs),
        *(one.money, one.both_words),
    )


def _explained(bid: Bid, day: SettledDay) -> Iterator[Explained]:
    lines = () if day.ours is None else day.ours.lines
    prices = {one.start_ms: one.price for one in lines if one.item is Item.IMBALANCE}
    for one in day.deviations:
        if one.course is not Course.AS_AWARDED and _within(bid, one.start_ms):
            yield Explained(
                *(one.start_ms, one.minutes, one.awarded_mwh, one.delivered_mwh),
                *(one.imbalance_mwh, prices.get(one.start_ms), one.cost, one.course.value),
                one.both_words,
            )
