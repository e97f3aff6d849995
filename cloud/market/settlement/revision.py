"""What a settlement says now that it did not say before, line by line."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cloud.market.settlement.reconcile import Difference, Fault, compare
from cloud.market.statement import Item, Line
from contract.words import Words


class Whose(StrEnum):
    """Which of both settlements."""

    THEIRS = "theirs"
    OURS = "ours"


_WHO = {
    Whose.THEIRS: ("the exchange's statement", "市场结算单"),
    Whose.OURS: ("our own settlement", "本方结算"),
}
_WHAT = {
    Fault.QUANTITY: ("quantity {before} is now {after}", "数量由 {before} 变为 {after}"),
    Fault.PRICE: ("price {before} is now {after}", "价格由 {before} 变为 {after}"),
    Fault.ROUNDING: ("amount {before} is now {after}", "金额由 {before} 变为 {after}"),
    Fault.AMOUNT: ("amount {before} is now {after}", "金额由 {before} 变为 {after}"),
    Fault.THEIRS_LACKS_IT: ("the line is gone, {before}", "该行已删除，原 {before}"),
    Fault.OURS_LACKS_IT: ("the line has come, {after}", "新增一行，{after}"),
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A line that is another one than before.

    Attributes:
        start_ms: the interval; None: the whole day.
        item, detail: of the line.
        whose: which settlement's.
        money: by how much its amount has risen.
        words: what has changed, in both languages.
    """

    start_ms: int | None
    item: Item
    detail: str
    whose: Whose
    money: Decimal
    words: Words


def revised(before: Iterable[Line], after: Iterable[Line], whose: Whose) -> tuple[Revision, ...]:
    """Return the lines that differ between two versions of one settlement."""
    _, found = compare(before, after)
    return tuple(
        Revision(one.start_ms, one.item, one.detail, whose, one.money, _words(one, whose))
        for one in found
    )


def _words(one: Difference, whose: Whose) -> Words:
    shown = {"before": f"{one.ours:f}", "after": f"{one.theirs:f}"}
    said = [text.format(**shown) for text in _WHAT[one.fault]]
    who = _WHO[whose]
    return Words(f"{who[0]}: {said[0]}", f"{who[1]}：{said[1]}")
