"""From edges to the times in which an alarm's condition stood, by the device's clock.

Edges may have come late, twice or out of order: what counts is their set, never their order of
arrival. Delays filter what is too short; a controller that has started anew tells again what
stands, so that what it does not tell again within a grace time is over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Final

from cloud.alarms.definitions import Definition

RESTART_GRACE_MS: Final = 60_000
"""A starting controller has read every device and told what stands well within a minute."""


class EdgeKind(StrEnum):
    """What an edge says of the condition."""

    APPEARED = "appeared"
    CLEARED = "cleared"
    RESTARTED = "restarted"


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of a condition, or the start of the controller that tells them.

    `at_ms` is the device's time, `received_ms` when the cloud got it; `value` and `limit` are in
    the unit of the signal, known only where the definition needs them.
    """

    at_ms: int
    kind: EdgeKind
    event: str = ""
    received_ms: int = 0
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """One time for which the condition stood.

    Attributes:
        onset_ms: device time of the edge that began it; with the alarm its identity.
        raised_ms: when it had lasted for its on-delay.
        event: the edge's event.
        received_ms: when that arrived.
        clean: no edge is older at the same millisecond and the period before has ended: history
            can be told anew from here.
        cleared_ms: device time of the edge that ended it.
        returned_ms: when it had been gone for its off-delay; None while it stands.
        cleared_event: the event of that edge.
    """

    onset_ms: int
    raised_ms: int
    event: str
    received_ms: int
    clean: bool
    cleared_ms: int | None = None
    returned_ms: int | None = None
    cleared_event: str = ""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What edges say up to a moment.

    Attributes:
        periods: in order of time; only the last may still stand.
        due_ms: when a running delay ends, None when none runs.
        marks: onsets from which history can be told anew, those not raised yet among them.
    """

    periods: tuple[Period, ...] = ()
    due_ms: int | None = None
    marks: tuple[int, ...] = ()


def in_time_order(edges: Iterable[Edge]) -> list[Edge]:
    """Sort edges by the device's time; those of one millisecond alternate, as conditions do.

    A condition that was gone appears and clears, one that stood clears and appears again.
    """
    stands = False
    ordered: list[Edge] = []
    by_time = sorted(edges, key=lambda edge: (edge.at_ms, edge.event))
    for _, together in groupby(by_time, key=lambda edge: edge.at_ms):
        queue: dict[EdgeKind, list[Edge]] = {kind: [] for kind in EdgeKind}
        for edge in together:
            queue[edge.kind].append(edge)
        ordered += queue[EdgeKind.RESTARTED]
        appeared, cleared = queue[EdgeKind.APPEARED], queue[EdgeKind.CLEARED]
        while appeared or cleared:
            wanted = cleared if (stands and cleared) or not appeared else appeared
            edge = wanted.pop(0)
            stands = edge.kind is EdgeKind.APPEARED
            ordered.append(edge)
    return ordered


def without_answered_restarts(edges: Sequence[Edge]) -> list[Edge]:
    """Leave out restarts after which the condition was told again with its old time.

    A controller restores a latched trip with the time at which it began, before the restart; that
    edge arrives with the restart or after it. Where an edge from before the restart has only
    arrived then, too, the two cannot be told apart, and the condition counts as standing.
    """
    kept: list[Edge] = []
    told_ms = -1
    for edge in edges:
        if edge.kind is EdgeKind.APPEARED:
            told_ms = max(told_ms, edge.received_ms)
        elif edge.kind is EdgeKind.CLEARED:
            told_ms = -1
        elif told_ms >= edge.received_ms:
            continue
        kept.append(edge)
    return kept


class _Tracker:
    """Follows one condition through its edges."""

    def __init__(self, rule: Definition) -> None:
        self._rule = rule
        self._periods: list[Period] = []
        self._marks: list[int] = []
        self._coming: Edge | None = None
        self._coming_due = 0
        self._going: Edge | None = None
        self._going_due = 0
        self._newest_ms = -1

    @property
    def _open(self) -> Period | None:
        last = self._periods[-1] if self._periods else None
        return last if last is not None and last.returned_ms is None else None

    def settle(self, to_ms: int) -> None:
        """Let the delays that end by then end, the earlier first."""
        going_first = self._going is not None and self._going_due < self._coming_due
        if self._coming is not None and self._coming_due <= to_ms and not going_first:
            self._raise(self._coming, self._coming_due)
            self._coming = None
        if self._going is not None and self._going_due <= to_ms:
            self._return(self._going, self._going_due)
            self._going = self._coming = None

    def take(self, edge: Edge) -> None:
        """Go on by one edge."""
        self.settle(edge.at_ms)
        if edge.kind is EdgeKind.APPEARED:
            self._appear(edge)
        else:
            self._clear(edge)
        self._newest_ms = edge.at_ms
        self.settle(edge.at_ms)

    def _appear(self, edge: Edge) -> None:
        self._going = None
        if self._open is not None or self._coming is not None:
            return
        if self._is_clean(edge.at_ms):
            self._marks.append(edge.at_ms)
        if self._rule.momentary:
            self._raise(edge, edge.at_ms)
            self._return(replace(edge, event=""), edge.at_ms)
            return
        self._coming = edge
        self._coming_due = edge.at_ms + self._rule.delay_of(edge.value, edge.limit)

    def _clear(self, edge: Edge) -> None:
        restarted = edge.kind is EdgeKind.RESTARTED
        if self._coming is not None and not restarted:
            self._coming = None
        if self._open is None and self._coming is None:
            return
        grace_ms = RESTART_GRACE_MS if restarted else 0
        due_ms = edge.at_ms + max(self._rule.off_delay_ms, grace_ms)
        if self._going is None or due_ms < self._going_due:
            self._going, self._going_due = edge, due_ms

    def _is_clean(self, at_ms: int) -> bool:
        last = self._periods[-1] if self._periods else None
        ended_ms = -1 if last is None or last.returned_ms is None else last.returned_ms
        return self._newest_ms < at_ms and ended_ms < at_ms

    def _raise(self, edge: Edge, at_ms: int) -> None:
        if self._periods and self._periods[-1].onset_ms == edge.at_ms:
            again = replace(self._periods[-1], cleared_ms=None, returned_ms=None, cleared_event="")
            self._periods[-1] = again
            return
        clean = bool(self._marks) and self._marks[-1] == edge.at_ms
        self._periods.append(Period(edge.at_ms, at_ms, edge.event, edge.received_ms, clean))

    def _return(self, edge: Edge, at_ms: int) -> None:
        if self._open is None:
            return
        self._periods[-1] = replace(
            self._periods[-1],
            cleared_ms=edge.at_ms,
            returned_ms=max(at_ms, self._periods[-1].raised_ms),
            cleared_event=edge.event,
        )

    def result(self) -> Conditions:
        """What is known now."""
        due = [
            due
            for edge, due in ((self._coming, self._coming_due), (self._going, self._going_due))
            if edge is not None
        ]
        return Conditions(tuple(self._periods), min(due, default=None), tuple(self._marks))


def follow(edges: Sequence[Edge], rule: Definition, now_ms: int) -> Conditions:
    """Return when a condition stood, up to now.

    Args:
        edges: all edges of one condition since a moment at which it did not stand.
        rule: its delays.
        now_ms: the present; delays that end later have not ended.
    """
    tracker = _Tracker(rule)
    for edge in without_answered_restarts(in_time_order(edges)):
        tracker.take(edge)
    tracker.settle(now_ms)
    return tracker.result()
