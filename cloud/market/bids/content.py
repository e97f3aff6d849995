"""What a version of a bid carries, and what is added to it on its way.

All of it is sealed as JSON whose decimals are strings: to the digit what a person approved is what
is submitted, and what the exchange said is what is settled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import TypeAdapter

from cloud.market.bid import BidSet
from contract.words import Words

_T = TypeVar("_T")


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
    """

    violations: tuple[Words, ...] = ()
    breaches: tuple[Words, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    approver: Approver = Approver.TRADER
    rule: str = ""

    @property
    def blocked(self) -> str:
        """What keeps it from going on: rules, limits, or nothing."""
        return "rules" if self.violations else "limits" if self.breaches else ""


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
class Settlement:
    """What a bid came to: positive is paid to us.

    Attributes:
        amount: to the cent.
        currency: ISO 4217.
        lines: parts of the amount by name; they add up to it.
        notes: deviations from the plan or the statement, in words.
    """

    amount: Decimal
    currency: str
    lines: Mapping[str, Decimal] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
