"""What goes to an exchange beside the bid itself: who sends, under which key, and why."""

import uuid
from dataclasses import dataclass, field
from decimal import Decimal

_NAMESPACE = uuid.UUID("6f2a3e0c-6d0c-4b0e-9a53-0d7c6b5f3a10")
"""Ours alone: keys made from the same words are the same everywhere, and only ours."""


@dataclass(frozen=True, slots=True)
class Party:
    """How a station is known at an exchange.

    Attributes:
        participant: code of the company; in Europe its EIC.
        unit: code of the station: DUID, 交易单元, resource object.
        mlf_generation, mlf_load: marginal loss factors of either direction.
        ramp_mw_per_min: how fast the unit may change.
        domain: EIC of the bidding zone.
        acquiring_domain: EIC of the market area that buys reserves.
        operator: EIC of the system operator.
    """

    participant: str
    unit: str
    mlf_generation: Decimal = Decimal(1)
    mlf_load: Decimal = Decimal(1)
    ramp_mw_per_min: int = 100
    domain: str = ""
    acquiring_domain: str = ""
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Rebid:
    """Why a bid is changed; times UTC epoch ms.

    Attributes:
        reason: brief, verifiable, specific.
        event_ms: when what it answers happened.
        aware_ms: when the desk knew.
        decided_ms: when it decided.
        category: one letter of the operator's list: P plant, A operator, F financial, E error.
    """

    reason: str
    event_ms: int
    aware_ms: int
    decided_ms: int
    category: str = "P"


@dataclass(frozen=True, slots=True)
class Sending:
    """One submission.

    Attributes:
        key: the idempotency key; the exchange takes one submission a key, however often sent.
        created_ms: UTC epoch.
        amends: the exchange's id of the submission that this one replaces; empty: none.
        rebid: why, where the market asks for a reason.
    """

    key: str
    created_ms: int
    amends: str = ""
    rebid: Rebid | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A bid as an exchange wants it."""

    name: str
    content_type: str
    body: bytes = field(repr=False)


def idempotency_key(bid: str, revision: int) -> str:
    """Return the key of a revision of a bid: the same after every crash and on every machine."""
    return str(uuid.uuid5(_NAMESPACE, f"{bid}/{revision}"))


def series_id(*place: str) -> str:
    """Return the id of what is offered at a place: the same in a bid and in its amendments."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(place)))
