"""Our settlement beside the market's statement, line by line; every difference is named."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cloud.market.errors import BadDocument
from cloud.market.settlement.money import same_quantity
from cloud.market.statement import Item, Line, Statement
from contract.words import Words

_CENT = Decimal("0.01")


class Fault(StrEnum):
    """In what two lines differ."""

    THEIRS_LACKS_IT = "theirs_lacks_it"
    OURS_LACKS_IT = "ours_lacks_it"
    QUANTITY = "quantity"
    PRICE = "price"
    ROUNDING = "rounding"
    AMOUNT = "amount"


_TEXTS = {
    Fault.THEIRS_LACKS_IT: ("is not in the market's statement", "市场结算单中没有"),
    Fault.OURS_LACKS_IT: ("is only in the market's statement", "仅见于市场结算单"),
    Fault.QUANTITY: (
        "quantity differs: ours {ours}, theirs {theirs}",
        "电量不同：我方 {ours}，对方 {theirs}",
    ),
    Fault.PRICE: (
        "price differs: ours {ours}, theirs {theirs}",
        "价格不同：我方 {ours}，对方 {theirs}",
    ),
    Fault.ROUNDING: (
        "rounded differently: ours {ours}, theirs {theirs}",
        "取整不同：我方 {ours}，对方 {theirs}",
    ),
    Fault.AMOUNT: (
        "amount differs though quantity and price do not: ours {ours}, theirs {theirs}",
        "电量与价格一致但金额不同：我方 {ours}，对方 {theirs}",
    ),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two statements differ.

    Attributes:
        start_ms: the interval; None: the whole day.
        item, detail: of the line.
        fault: in what.
        ours, theirs: the values that differ; amounts where a line is missing.
        money: theirs minus ours.
    """

    start_ms: int | None
    item: Item
    detail: str
    fault: Fault
    ours: Decimal
    theirs: Decimal
    money: Decimal

    def words(self, language: str = "en") -> str:
        """Return the difference as words, in English or (zh) in Chinese."""
        text = _TEXTS[self.fault][language.startswith("zh")]
        return text.format(ours=f"{self.ours:f}", theirs=f"{self.theirs:f}")

    @property
    def both_words(self) -> Words:
        """The words in both languages."""
        return Words(self.words("en"), self.words("zh"))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What comparing came to; `money` is theirs minus ours over the whole day."""

    agreed: int
    differences: tuple[Difference, ...]
    money: Decimal


def reconcile(ours: Statement, theirs: Statement) -> Reconciliation:
    """Compare two statements of one station's day.

    Lines are matched by interval, item and detail; several of one place are added up. Lines that
    come to nothing (no quantity, no money) need no counterpart.

    Raises:
        BadDocument: they are of different stations, days, markets or currencies.
    """
    for name in ("market", "station", "day", "currency"):
        if getattr(ours, name) != getattr(theirs, name):
            raise BadDocument(
                f"the statement is of {name} {getattr(theirs, name)}, not {getattr(ours, name)}"
            )
    agreed, differences = compare(ours.lines, theirs.lines)
    return Reconciliation(agreed, differences, theirs.total - ours.total)


def compare(ours: Iterable[Line], theirs: Iterable[Line]) -> tuple[int, tuple[Difference, ...]]:
    """Return how many lines agree, and those that do not; matched as `reconcile` says."""
    left, right = _by_place(ours), _by_place(theirs)
    agreed, differences = 0, []
    for place in sorted(left.keys() | right.keys(), key=lambda p: (p[0] or 0, p[1], p[2])):
        found = _compare(left.get(place), right.get(place))
        if found is None:
            agreed += 1
        else:
            differences.append(found)
    return agreed, tuple(differences)


_Place = tuple[int | None, str, str]


def _by_place(lines: Iterable[Line]) -> dict[_Place, Line]:
    found: dict[_Place, Line] = {}
    for line in lines:
        if not line.amount and not line.quantity:
            continue
        place = (line.start_ms, line.item.value, line.detail)
        before = found.get(place)
        if before is not None:
            line = Line(  # noqa: PLW2901 - the sum of both
                line.start_ms,
                line.item,
                line.detail,
                before.quantity + line.quantity,
                line.unit,
                line.price,
                before.amount + line.amount,
            )
        found[place] = line
    return found


def _compare(ours: Line | None, theirs: Line | None) -> Difference | None:
    some = ours or theirs
    if some is None:
        return None
    place = (some.start_ms, some.item, some.detail)
    if theirs is None or ours is None:
        fault = Fault.THEIRS_LACKS_IT if theirs is None else Fault.OURS_LACKS_IT
        mine, other = (Decimal(0) if one is None else one.amount for one in (ours, theirs))
        return Difference(*place, fault, mine, other, other - mine)
    money = theirs.amount - ours.amount
    if not same_quantity(ours.quantity, theirs.quantity):
        return Difference(*place, Fault.QUANTITY, ours.quantity, theirs.quantity, money)
    if ours.price != theirs.price:
        return Difference(*place, Fault.PRICE, ours.price, theirs.price, money)
    if money:
        fault = Fault.ROUNDING if abs(money) <= _CENT else Fault.AMOUNT
        return Difference(*place, fault, ours.amount, theirs.amount, money)
    return None
