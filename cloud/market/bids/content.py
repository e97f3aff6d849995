"""What a version of a bid carries, and what is added to it on its way.

All of it is sealed as JSON whose decimals are strings: to the digit what a person approved is what
is submitted, and what the exchange said is what is settled.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, TypeAdapter

from cloud.market.bid import BidSet
from cloud.market.risk.stress import Stressed
from cloud.market.statement import Line
from contract.words import Words

_T = TypeVar("_T")
_FINGERPRINT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an interval is offered as it is: what its price must do for the battery to act.

    Attributes:
        start_ms: the interval; None: of the whole bid.
        en: in English.
        zh: in Chinese.
    """

    start_ms: int | None
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Content:
    """A version of a bid, with all that it was made from.

    Attributes:
        bid_set: what is offered.
        inputs: what it was made from: battery, SOC, prices seen, by name.
        forecasts: versions of the forecasts, as "ensemble/3 known 2026-03-01T11:00Z".
        models: versions of what turned them into offers, as "markov-sdp/2".
        explanation: reasons by interval.
    """

    bid_set: BidSet
    inputs: Mapping[str, Any] = field(default_factory=dict)
    forecasts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    explanation: tuple[Reason, ...] = ()


class Approver(StrEnum):
    """Who may approve a bid."""

    RULE = "rule"
    TRADER = "trader"
    HEAD_TRADER = "head_trader"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What checks and risk say of a version.

    Attributes:
        violations: rules of the market that it breaks, in words; empty: none.
        breaches: limits of the desk that it would break, each by name with its figures.
        figures: of risk: var, cvar, worst, expected, in the market's currency; power_mw.
        approver: who is enough to approve it.
        rule: name of the rule that approves it, where one is enough.
        stressed: what days that no history promises make of it, the first as forecast; empty:
            nothing could be weighed, or it was checked before this was kept.
    """

    violations: tuple[Words, ...] = ()
    breaches: tuple[Words, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    approver: Approver = Approver.TRADER
    rule: str = ""
    stressed: tuple[Stressed, ...] = ()

    @property
    def blocked(self) -> str:
        """What keeps it from going on: rules, limits, or nothing."""
        return "rules" if self.violations else "limits" if self.breaches else ""


@dataclass(frozen=True, slots=True)
class Approval:
    """Who has approved which offers, by name and fingerprint."""

    who: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The orders that the station works by."""

    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the meter says of one interval; MWh, discharge positive."""

    start_ms: int
    energy_mwh: Decimal


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered of a bid, by interval."""

    measured: tuple[Measured, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differs:
    """A line in which the exchange's statement is not what we have computed.

    Attributes:
        start_ms: the interval; None: the whole day.
        item, detail: of the line.
        fault: in what, as `cloud.market.settlement.Fault` names it.
        ours, theirs: the values that differ.
        money: theirs minus ours.
        words: the difference in both languages.
    """

    start_ms: int | None
    item: str
    detail: str
    fault: str
    ours: Decimal
    theirs: Decimal
    money: Decimal
    words: Words


@dataclass(frozen=True, slots=True)
class Explained:
    """An interval in which something else was delivered than awarded.

    Attributes:
        start_ms: UTC epoch.
        minutes: length.
        awarded_mwh, delivered_mwh, imbalance_mwh: to the grid positive.
        price: of the imbalance per MWh; None: none was paid or charged.
        cost: what the imbalance cost; negative: what it brought.
        course: how they lie to one another, as `cloud.market.settlement.Course` names it.
        words: all of it with its cause, in both languages.
    """

    start_ms: int
    minutes: int
    awarded_mwh: Decimal
    delivered_mwh: Decimal
    imbalance_mwh: Decimal
    price: Decimal | None
    cost: Decimal
    course: str
    words: Words


@dataclass(frozen=True, slots=True)
class Changed:
    """A line that is another one than when the bid was settled before.

    Attributes:
        start_ms: the interval; None: the whole day.
        whose: "theirs": the exchange's statement; "ours": our own settlement.
        item, detail: of the line.
        money: by how much its amount has risen.
        words: what has changed, in both languages.
    """

    start_ms: int | None
    whose: str
    item: str
    detail: str
    money: Decimal
    words: Words


def _both(notes: Any) -> Any:
    """Read notes that were kept in English alone."""
    return [(one, one) if isinstance(one, str) else one for one in notes]


Notes = Annotated[tuple[Words, ...], BeforeValidator(_both)]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a bid came to: positive is paid to us.

    `amount` and `lines` are the exchange's. What we have computed stands beside it, for the bid's
    own time line by line and for the whole day as totals; papers of old have nothing of that.

    Attributes:
        amount: of the bid's product, to the cent.
        currency: ISO 4217.
        lines: parts of the amount by name; they add up to it.
        notes: deviations from the plan or the statement, in words.
        theirs: lines of the exchange's statement in the bid's time.
        ours: lines that the market's rules make of awards, meter and prices; None: they could not
            be computed, and the notes say why.
        theirs_day, ours_day: totals of the station's day in this market.
        differences: in the bid's time and of the whole day.
        deviations: intervals of the bid that went otherwise than awarded.
        differs: whether any line of the day is off by more than a cent.
        number: how often it has been settled; statements, prices and meters are revised.
        final: whether the market revises the statement no more.
        changes: what is another thing than when it was settled before.
    """

    amount: Decimal
    currency: str
    lines: Mapping[str, Decimal] = field(default_factory=dict)
    notes: Notes = ()
    theirs: tuple[Line, ...] = ()
    ours: tuple[Line, ...] | None = None
    theirs_day: Decimal | None = None
    ours_day: Decimal | None = None
    differences: tuple[Differs, ...] = ()
    deviations: tuple[Explained, ...] = ()
    differs: bool = False
    number: int = 1
    final: bool = False
    changes: tuple[Changed, ...] = ()


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_bytes(value: object) -> bytes:
    """Return a value of this module, or of the exchange's answers, as JSON."""
    return _adapter(type(value)).dump_json(value)


def from_bytes(kind: type[_T], raw: bytes) -> _T:
    """Return the value that `to_bytes` has written."""
    value: _T = _adapter(kind).validate_json(raw)
    return value


def fingerprint(bid_set: BidSet) -> str:
    """Return sixteen hex digits that name exactly these offers, shown before and after approval."""
    return hashlib.sha256(to_bytes(bid_set)).hexdigest()[:_FINGERPRINT_DIGITS]
