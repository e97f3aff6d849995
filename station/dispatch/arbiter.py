"""One arbiter decides the station's power from everything that asks for it.

The rule, from the highest priority to the lowest:

* Each source narrows the room that it leaves to those below it. A wish that lies outside the
  room is moved to the nearest edge, and the limit at that edge is recorded.
* Frequency response shifts: its part is reserved, so that lower sources choose inside what is
  left and the sum never leaves the room. What it gets is never more than what it asked for.
* The lowest source with a preference chooses inside what is left. A source that wants one
  definite power leaves a single point; whoever comes below it is *outranked*.
* Nobody asks: 0 kW, or as near to it as the limits allow.

The outcome does not depend on the order in which proposals are handed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from contract.limits import LimitReason
from station.dispatch.decision import Decision, Step
from station.dispatch.proposal import SHIFTING, Bounds, Proposal, Source

__all__ = ["PRIORITY", "Bounds", "Decision", "Proposal", "Source", "Step", "arbitrate"]

PRIORITY: tuple[Source, ...] = (
    # Safety, then what the connection and the converters can physically bear.
    Source.PROTECTION,
    Source.FEED_IN_LIMIT,
    Source.PEAK_LIMIT,
    Source.VOLTAGE_SUPPORT,
    # The grid's need of the moment, inside these limits.
    Source.FAST_FREQUENCY,
    Source.PRIMARY_FREQUENCY,
    # Who decides the rest: a person on duty, the dispatch centre, the station's own plans.
    Source.MANUAL,
    Source.AGC,
    Source.SELF_TEST,
    Source.SCHEDULE,
    Source.BALANCING,
    Source.SAFE_STATE,
    Source.NONE,
)
"""Every source, from the highest priority to the lowest."""

_RANK = {source: rank for rank, source in enumerate(PRIORITY)}
_SAME_KW = 1e-9
"""Powers this close are the same: far below the resolution of a set-point."""


@dataclass
class _Edge:
    """One end of the room: where it is, who put it there, and which limit it is."""

    kw: float
    reason: LimitReason
    device: str
    source: Source
    requester: str


@dataclass
class _Room:
    """What is left to those below."""

    low: _Edge
    high: _Edge
    shift_kw: float = 0.0
    width_kw: float = 0.0
    decided: Proposal | None = None
    chosen: Proposal | None = None
    steps: list[Step] = field(default_factory=list)


def arbitrate(bounds: Bounds, proposals: Iterable[Proposal]) -> Decision:
    """Return what the station is to do inside its bounds.

    Args:
        bounds: what protection allows, kW at the meter.
        proposals: what the sources ask for, in any order.
    """
    room = _Room(
        _edge(bounds.low_kw, bounds.low_reason, bounds.low_device),
        _edge(bounds.high_kw, bounds.high_reason, bounds.high_device),
    )
    ordered = sorted(proposals, key=_order)
    shifting = [p for p in ordered if p.source in SHIFTING]
    others = [p for p in ordered if p.source not in SHIFTING]
    for proposal in others:
        if _RANK[proposal.source] < _FIRST_SHIFT:
            _narrow(room, proposal)
    low, high = replace(room.low), replace(room.high)
    room.width_kw = high.kw - low.kw
    for proposal in shifting:
        _shift(room, proposal)
    # The base must be possible by itself and together with the shift.
    room.low = replace(low, kw=max(low.kw, low.kw - room.shift_kw))
    room.high = replace(high, kw=min(high.kw, high.kw - room.shift_kw))
    for proposal in others:
        if _RANK[proposal.source] > _FIRST_SHIFT:
            _narrow(room, proposal)
    return _conclude(room, low, high)


_FIRST_SHIFT = min(_RANK[source] for source in SHIFTING)


def _edge(kw: float, reason: LimitReason, device: str) -> _Edge:
    # A station whose protection names no limit is bounded by its converters' rating.
    named = LimitReason.PCS_RATING if reason is LimitReason.NONE else reason
    return _Edge(kw, named, device, Source.PROTECTION, "")


def _order(proposal: Proposal) -> tuple[int, str, float, float, float, float]:
    preferred = proposal.preferred_kw
    return (
        _RANK[proposal.source],
        proposal.requester,
        proposal.low_kw,
        proposal.high_kw,
        proposal.low_kw if preferred is None else preferred,
        proposal.shift_kw,
    )


def _narrow(room: _Room, proposal: Proposal) -> None:
    """Narrow the room by a proposal's bounds and note its wish."""
    if room.decided is not None:
        room.steps.append(replace(_step(room, proposal), outranked_by=room.decided.source))
        return
    mine = (proposal.reason, "", proposal.source, proposal.requester)
    bit = None
    if proposal.low_kw > room.high.kw:
        bit, room.low = room.high.reason, replace(room.high)
    elif proposal.high_kw < room.low.kw:
        bit, room.high = room.low.reason, replace(room.low)
    else:
        if proposal.low_kw > room.low.kw:
            room.low = _Edge(proposal.low_kw, *mine)
        if proposal.high_kw < room.high.kw:
            room.high = _Edge(proposal.high_kw, *mine)
    if proposal.preferred_kw is not None:
        room.chosen = proposal
        room.decided = proposal if proposal.is_definite else None
    room.steps.append(replace(_step(room, proposal), bit=bit))


def _shift(room: _Room, proposal: Proposal) -> None:
    """Reserve a shift; opposite shifts cancel, and none is wider than the room."""
    wanted_kw = room.shift_kw + proposal.shift_kw
    shift_kw = _clamp(wanted_kw, -room.width_kw, room.width_kw)
    granted_kw = shift_kw - room.shift_kw
    room.shift_kw = shift_kw
    bit = None
    if abs(granted_kw - proposal.shift_kw) > _SAME_KW:
        bit = (room.high if proposal.shift_kw > 0 else room.low).reason
    room.steps.append(replace(_step(room, proposal), granted_kw=granted_kw, bit=bit))


def _step(room: _Room, proposal: Proposal) -> Step:
    return Step(
        proposal.source,
        proposal.requester,
        proposal.preferred_kw,
        proposal.low_kw,
        proposal.high_kw,
        proposal.shift_kw,
        granted_kw=None,
        low_kw=room.low.kw,
        high_kw=room.high.kw,
    )


def _conclude(room: _Room, low: _Edge, high: _Edge) -> Decision:
    chosen = room.chosen
    wished_kw = 0.0 if chosen is None or chosen.preferred_kw is None else chosen.preferred_kw
    base_kw = _clamp(wished_kw, room.low.kw, room.high.kw)
    power_kw = _clamp(base_kw + room.shift_kw, low.kw, high.kw)
    asked_kw = wished_kw + sum(step.asked_shift_kw for step in room.steps)
    edge = _binding_edge(room, (low, high), asked_kw - power_kw, wished_kw - base_kw)
    source, requester = Source.NONE, ""
    if chosen is not None:
        source, requester = chosen.source, chosen.requester
    elif edge is not None and edge.source is not Source.PROTECTION:
        source, requester = edge.source, edge.requester
    elif shifts := [step for step in room.steps if step.asked_shift_kw]:
        source, requester = shifts[0].source, shifts[0].requester
    return Decision(
        power_kw=power_kw,
        base_kw=base_kw,
        shift_kw=room.shift_kw,
        source=source,
        requester=requester,
        asked_kw=asked_kw,
        binding=LimitReason.NONE if edge is None else edge.reason,
        binding_device="" if edge is None else edge.device,
        low_kw=low.kw,
        high_kw=high.kw,
        steps=tuple(_granted(step, base_kw, room) for step in room.steps),
    )


def _binding_edge(
    room: _Room, total: tuple[_Edge, _Edge], missing_kw: float, missing_base_kw: float
) -> _Edge | None:
    """Return the edge that stands between what was asked for and what is done."""
    if abs(missing_kw) <= _SAME_KW:
        return None
    if abs(missing_base_kw) > _SAME_KW:
        return room.high if missing_base_kw > 0 else room.low
    return total[1] if missing_kw > 0 else total[0]


def _granted(step: Step, base_kw: float, room: _Room) -> Step:
    """Say what a source with a preference got, and what kept it from more."""
    if step.asked_kw is None or step.outranked_by is not None:
        return step
    lacking_kw = step.asked_kw - base_kw
    bit = step.bit
    if bit is None and abs(lacking_kw) > _SAME_KW:
        bit = (room.high if lacking_kw > 0 else room.low).reason
    return replace(step, granted_kw=base_kw, bit=bit)


def _clamp(kw: float, low_kw: float, high_kw: float) -> float:
    return max(low_kw, min(high_kw, kw))
