"""What is to be done next with a bid: one thing, or nothing until a time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from cloud.market.bids.bid import Bid, Version
from cloud.market.bids.content import Approver, Judgement
from cloud.market.bids.states import State


@dataclass(frozen=True, slots=True)
class Times:
    """How early people are called and the fall-back goes, and how often answers are asked for."""

    escalate_ms: int = 3_600_000
    fallback_ms: int = 900_000
    ask_again_ms: int = 15_000


class Do(Enum):
    """One step of a bid's life."""

    HAND = auto()  # ask the exchange what the outbox says
    JUDGE = auto()
    APPROVE = auto()  # by the rule that the judgement names
    CALL = auto()  # people
    FALL_BACK = auto()
    SUBMIT = auto()  # write it into the outbox
    LAPSE = auto()
    CLEAR = auto()
    SCHEDULE = auto()
    MEASURE = auto()
    SETTLE = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Todo:
    """A step, with the version that it is about."""

    what: Do
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before this time, unless somebody does something."""

    until_ms: int


def decide(
    bid: Bid, judged: Mapping[int, Judgement], *, asked: bool, now_ms: int, times: Times
) -> Todo | Wait:
    """Return the next step of a bid.

    Args:
        bid: with all its versions.
        judged: judgements of its checked versions by number.
        asked: whether the outbox has something without an answer.
        now_ms: the present.
        times: of calls, fall-backs and questions.
    """
    if asked:
        return Todo(Do.HAND)
    cleared = bid.after_clearing
    if cleared is not None:
        return _afterwards(bid, cleared, now_ms)
    if now_ms >= bid.gate_ms:
        if bid.open:
            return Todo(Do.LAPSE)
        accepted = bid.newest(State.ACCEPTED)
        return Todo(Do.END) if accepted is None else Todo(Do.CLEAR, accepted)
    return _before_gate(bid, judged, now_ms, times)


def _before_gate(
    bid: Bid, judged: Mapping[int, Judgement], now_ms: int, times: Times
) -> Todo | Wait:
    for version in bid.open:
        if version.state is State.DRAFTED and not version.blocked:
            return Todo(Do.JUDGE, version)
    approved, draft = bid.newest(State.APPROVED), bid.draft
    if approved is not None:
        return Todo(Do.SUBMIT, approved)
    if draft is not None and draft.state is State.CHECKED:
        judgement = judged.get(draft.number)
        if judgement is not None and judgement.approver is Approver.RULE:
            return Todo(Do.APPROVE, draft)
    if bid.is_safe or bid.is_given_up:
        return Wait(bid.gate_ms)
    return _in_time(bid, judged, now_ms, times)


def _in_time(bid: Bid, judged: Mapping[int, Judgement], now_ms: int, times: Times) -> Todo | Wait:
    """Nothing is approved: call people, and let the fall-back go when nobody has decided.

    A fall-back that only a head of trading could approve does not go by itself.
    """
    call_ms, spare_ms = bid.gate_ms - times.escalate_ms, bid.gate_ms - times.fallback_ms
    if now_ms >= call_ms and bid.called_ms is None:
        return Todo(Do.CALL, bid.versions[-1])
    spare = bid.fallback
    if now_ms >= spare_ms and spare is not None and spare.state is State.CHECKED:
        judgement = judged.get(spare.number)
        if judgement is not None and judgement.approver is not Approver.HEAD_TRADER:
            return Todo(Do.FALL_BACK, spare)
    return Wait(min(one for one in (call_ms, spare_ms, bid.gate_ms) if one > now_ms))


def _afterwards(bid: Bid, version: Version, now_ms: int) -> Todo | Wait:
    if version.state is State.CLEARED:
        return Todo(Do.SCHEDULE, version)
    if version.state is State.DELIVERED:
        return Todo(Do.SETTLE, version)
    return Todo(Do.MEASURE, version) if now_ms >= bid.end_ms else Wait(bid.end_ms)
