"""An alarm's history, told from its edges, the acts of people and the times it was suppressed.

The same things give the same history, whatever order they came to light in. Telling can begin at
any mark: an onset before which the condition stood still, together with the life just before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cloud.alarms.conditions import Conditions, Edge, Period, follow
from cloud.alarms.definitions import Definition
from cloud.alarms.states import Change, Input, Life, State, Transition, step

_UNBORN: Final = Life()
Span = tuple[int, int | None]
"""From, and to which time (not included); None: it still lasts."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did.

    Attributes:
        id: number of the act.
        change: what.
        at_ms: when, by the cloud's clock.
        seen_raised_ms: newest raise that the person had seen.
        until_ms: end of a shelf life.
        actor, reason: who and why.
    """

    id: int
    change: Change
    at_ms: int
    seen_raised_ms: int = 0
    until_ms: int = 0
    actor: str = ""
    reason: str = ""

    @property
    def effective_ms(self) -> int:
        """Its place among the edges: after what the person had seen."""
        return max(self.at_ms, self.seen_raised_ms)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that an alarm was raised, and how it was answered.

    Attributes:
        period: when its condition stood.
        before: life just before its onset, where telling can begin there.
        shown_ms: when it was first visible; None: silent all the time.
        acknowledged_ms, acknowledged_by: of the first acknowledgement.
    """

    period: Period
    before: Life | None = None
    shown_ms: int | None = None
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""

    @property
    def announced_ms(self) -> int | None:
        """When people could first see it."""
        return None if self.shown_ms is None else max(self.shown_ms, self.period.received_ms)


@dataclass(frozen=True, slots=True)
class Start:
    """Where telling begins: a mark and the life before it, or the beginning of all."""

    at_ms: int = 0
    life: Life = _UNBORN


Answer = tuple[int | None, int | None, str]


@dataclass(frozen=True)
class History:
    """An alarm's history since its start.

    Attributes:
        life: what it is now.
        occurrences: by onset.
        answers: of occurrences older than the start: (first visible, acknowledged, by whom), as far
            as that happened since; by onset.
        journal: rows in their order.
        due_ms: when a delay or a shelf life ends.
        mark: newest mark, None when there is none since the start.
    """

    life: Life
    occurrences: tuple[Occurrence, ...]
    answers: Mapping[int, Answer]
    journal: tuple[Transition, ...]
    due_ms: int | None
    mark: Start | None


@dataclass(frozen=True, slots=True)
class Given:
    """All that an alarm's history follows from, since its start."""

    rule: Definition
    start: Start
    edges: Sequence[Edge] = ()
    acts: Sequence[Act] = ()
    suppressed: Sequence[Span] = ()


def tell(given: Given, now_ms: int) -> History:
    """Tell an alarm's history up to now."""
    conditions = follow(given.edges, given.rule, now_ms)
    return tell_of(given, conditions, now_ms)


def tell_of(given: Given, conditions: Conditions, now_ms: int) -> History:
    """Tell an alarm's history, where the times of its condition are known already."""
    teller = _Teller(given)
    for _, _, one in sorted(_inputs(given, conditions), key=lambda row: row[:2]):
        if isinstance(one, Input):
            teller.take(one)
        else:
            teller.mark(one)
    teller.expire(now_ms)
    return teller.history(conditions)


def union(spans: Sequence[Span]) -> list[Span]:
    """Join spans that touch or overlap; empty ones are left out."""
    joined: list[Span] = []
    for begin, end in sorted(spans, key=lambda span: span[0]):
        if end is not None and end <= begin:
            continue
        if not joined:
            joined.append((begin, end))
            continue
        last_begin, last_end = joined[-1]
        if last_end is not None and begin > last_end:
            joined.append((begin, end))
        elif last_end is not None:
            joined[-1] = last_begin, None if end is None else max(last_end, end)
    return joined


_MARK, _SUPPRESS, _RETURN, _UNSUPPRESS, _RAISE, _RETURN_AT_ONCE, _ACT = range(7)
"""Order within one millisecond. What begins together with its cause is suppressed unseen, and what
ends together with it was suppressed to its end; people act on what they have seen."""

_Row = tuple[int, tuple[int, int], Input | int]


def _inputs(given: Given, conditions: Conditions) -> list[_Row]:
    rows: list[_Row] = [(mark, (_MARK, 0), mark) for mark in conditions.marks]
    for period in conditions.periods:
        begun = Input(
            *(period.raised_ms, Change.RAISED, period.onset_ms, period.raised_ms),
            event=period.event,
        )
        rows.append((period.raised_ms, (_RAISE, 0), begun))
        if period.returned_ms is not None:
            ended = Input(period.returned_ms, Change.RETURNED, event=period.cleared_event)
            at_once = period.returned_ms == period.raised_ms
            rank = _RETURN_AT_ONCE if at_once else _RETURN
            rows.append((period.returned_ms, (rank, 0), ended))
    for begin, end in union(given.suppressed):
        if begin >= given.start.at_ms:
            rows.append((begin, (_SUPPRESS, 0), Input(begin, Change.SUPPRESSED)))
        if end is not None and end >= given.start.at_ms:
            rows.append((end, (_UNSUPPRESS, 0), Input(end, Change.UNSUPPRESSED)))
    rows += [
        (act.effective_ms, (_ACT, act.id), _input(act))
        for act in given.acts
        if act.effective_ms >= given.start.at_ms
    ]
    return rows


def _input(act: Act) -> Input:
    return Input(
        act.effective_ms,
        act.change,
        raised_ms=act.seen_raised_ms,
        until_ms=act.until_ms,
        actor=act.actor,
        reason=act.reason,
        act=act.id,
    )


@dataclass
class _Teller:
    given: Given
    life: Life = field(init=False)
    journal: list[Transition] = field(default_factory=list)
    marks: dict[int, Life] = field(default_factory=dict)
    shown: dict[int, int] = field(default_factory=dict)
    answers: dict[int, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        begin_ms = self.given.start.at_ms
        covered = any(
            begin < begin_ms and (end is None or end >= begin_ms)
            for begin, end in union(self.given.suppressed)
        )
        self.life = replace(self.given.start.life, covered=covered)

    def take(self, one: Input) -> None:
        """Go on by one input, after a shelf life that ends before it or with it."""
        self.expire(one.at_ms)
        self._step(one)

    def mark(self, at_ms: int) -> None:
        """Keep the life just before `at_ms`."""
        self.expire(at_ms - 1)
        self.marks[at_ms] = self.life

    def expire(self, to_ms: int) -> None:
        """End a shelf life that is over by then."""
        until_ms = self.life.shelved_until_ms
        if until_ms is not None and until_ms <= to_ms:
            self._step(Input(until_ms, Change.SHELF_EXPIRED))

    def _step(self, one: Input) -> None:
        before = self.life
        self.life, row = step(before, one, self.given.rule)
        onset_ms = self.life.onset_ms
        if self.life.shown and onset_ms not in self.shown:
            self.shown[onset_ms] = one.at_ms
        answered = one.change is Change.ACKNOWLEDGED and self.life.base is not before.base
        if answered and onset_ms not in self.answers:
            self.answers[onset_ms] = one.at_ms, one.actor
        if row is not None:
            self.journal.append(row)

    def history(self, conditions: Conditions) -> History:
        """What has been told."""
        waiting = [due for due in (conditions.due_ms, self.life.shelved_until_ms) if due]
        newest = max(self.marks, default=None)
        return History(
            life=self.life,
            occurrences=tuple(self._occurrence(period) for period in conditions.periods),
            answers=self._earlier(conditions),
            journal=tuple(self.journal),
            due_ms=min(waiting, default=None),
            mark=None if newest is None else Start(newest, self.marks[newest]),
        )

    def _earlier(self, conditions: Conditions) -> dict[int, Answer]:
        since = {period.onset_ms for period in conditions.periods}
        return {
            onset_ms: (self.shown.get(onset_ms), *self.answers.get(onset_ms, (None, "")))
            for onset_ms in sorted((set(self.shown) | set(self.answers)) - since - {0})
        }

    def _occurrence(self, period: Period) -> Occurrence:
        answered_ms, by = self.answers.get(period.onset_ms, (None, ""))
        before = self.marks.get(period.onset_ms) if period.clean else None
        return Occurrence(period, before, self.shown.get(period.onset_ms), answered_ms, by)


def life_to_json(life: Life) -> dict[str, object]:
    """A life as a table keeps it. Whether a cause stands is left out: other alarms tell."""
    return {
        "base": life.base.value,
        "onset_ms": life.onset_ms,
        "raised_ms": life.raised_ms,
        "shown": life.shown,
        "owed": life.owed,
        "shelved_until_ms": life.shelved_until_ms,
        "out_of_service": life.out_of_service,
        "suppressed": life.suppressed,
    }


def life_from_json(kept: Mapping[str, object] | None) -> Life:
    """Read what `life_to_json` wrote; nothing is the life before everything."""
    if not kept:
        return _UNBORN
    return Life(**(dict(kept) | {"base": State(str(kept["base"]))}))  # type: ignore[arg-type]
