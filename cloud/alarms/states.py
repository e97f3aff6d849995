"""The states of an alarm and what changes them, by ISA-18.2 / IEC 62682. Pure: no clock, no I/O.

Under the state that people see lies a base state, which follows the condition and what people
have answered: normal, unacknowledged, acknowledged, returned (gone, unacknowledged), latched
(gone, acknowledged, waits for its reset). Over it lie three ways to be silent, each with a list of
its own: out of service, suppressed by design, shelved. Silence hides; it never forgets: whatever
stands unacknowledged is visible again when the silence ends.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from cloud.alarms.definitions import Definition


class State(StrEnum):
    """What people see."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    LATCHED = "latched"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


OPEN = frozenset({State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED, State.LATCHED})
"""States that are in the list of alarms and in the banner."""
UNANSWERED = frozenset({State.UNACKNOWLEDGED, State.RETURNED})
SILENT = frozenset({State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE})
_ACTIVE = frozenset({State.UNACKNOWLEDGED, State.ACKNOWLEDGED})


class Change(StrEnum):
    """What happens to an alarm; a row of its journal tells one of these."""

    RAISED = "raised"
    RETURNED = "returned"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SHELF_EXPIRED = "shelf_expired"
    TAKEN_OUT = "taken_out"
    PUT_BACK = "put_back"


ACTS = frozenset(
    {
        *(Change.ACKNOWLEDGED, Change.RESET, Change.SHELVED, Change.UNSHELVED),
        *(Change.TAKEN_OUT, Change.PUT_BACK),
    }
)
"""Changes that people make."""


@dataclass(frozen=True, slots=True)
class Life:
    """An alarm at one moment.

    Attributes:
        base: state by condition and answers alone.
        onset_ms, raised_ms: of the newest period of its condition; 0 before the first.
        shown: whether that period has been visible at any moment.
        owed: whether an earlier period, returned meanwhile, still waits for its answer.
        shelved_until_ms: end of its shelf life, None when not shelved.
        out_of_service: whether it is.
        covered: whether a cause stands that it would only follow from.
        suppressed: whether it has stood together with such a cause, which still stands.
    """

    base: State = State.NORMAL
    onset_ms: int = 0
    raised_ms: int = 0
    shown: bool = False
    owed: bool = False
    shelved_until_ms: int | None = None
    out_of_service: bool = False
    covered: bool = False
    suppressed: bool = False

    @property
    def silent(self) -> bool:
        """Whether it is kept from the list of alarms."""
        return self.out_of_service or self.suppressed or self.shelved_until_ms is not None

    @property
    def active(self) -> bool:
        """Whether its condition stands."""
        return self.base in _ACTIVE

    @property
    def state(self) -> State:
        """What people see."""
        if self.out_of_service:
            return State.OUT_OF_SERVICE
        if self.suppressed and self.base is not State.NORMAL:
            return State.SUPPRESSED
        if self.shelved_until_ms is not None:
            return State.SHELVED
        return self.base


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that happens to an alarm.

    Attributes:
        at_ms: when: device time of conditions, cloud time of acts.
        change: what.
        onset_ms, raised_ms: RAISED: of the period that begins. ACKNOWLEDGED and RESET: raised_ms
            is that of the newest period which the person has seen; later ones are not answered.
        until_ms: SHELVED: end of the shelf life.
        event: event that tells of it.
        actor, reason: of an act.
        act: number of the act.
    """

    at_ms: int
    change: Change
    onset_ms: int = 0
    raised_ms: int = 0
    until_ms: int = 0
    event: str = ""
    actor: str = ""
    reason: str = ""
    act: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """A row of the journal: what happened, and the state that people saw afterwards."""

    at_ms: int
    change: Change
    state: State
    onset_ms: int
    event: str = ""
    actor: str = ""
    reason: str = ""
    act: int = 0


def step(life: Life, given: Input, rule: Definition) -> tuple[Life, Transition | None]:
    """Return the life after an input, and its row in the journal where there is something to tell.

    An act that changes nothing (late data may show that an alarm had returned before) is told all
    the same: somebody did it.
    """
    after = _change(life, given, rule)
    if not after.silent and after.base is not State.NORMAL and not after.shown:
        after = replace(after, shown=True)
    tells = given.change in ACTS or after.state is not life.state or _is_new(given)
    if not tells:
        return after, None
    row = Transition(
        *(given.at_ms, given.change, after.state, after.onset_ms),
        *(given.event, given.actor, given.reason, given.act),
    )
    return after, row


def _is_new(given: Input) -> bool:
    return given.change in (Change.RAISED, Change.RETURNED)


def _change(life: Life, given: Input, rule: Definition) -> Life:  # noqa: PLR0911 - one for each change
    match given.change:
        case Change.RAISED:
            begun = replace(life, onset_ms=given.onset_ms, raised_ms=given.raised_ms, shown=False)
            owed = life.owed or life.base is State.RETURNED
            return replace(begun, base=State.UNACKNOWLEDGED, owed=owed, suppressed=life.covered)
        case Change.RETURNED:
            return replace(life, base=_returned(life, rule))
        case Change.ACKNOWLEDGED:
            base = _acknowledged(life, given, rule)
            return replace(life, base=base, owed=life.owed and base is life.base)
        case Change.RESET:
            seen = life.base is State.LATCHED and life.raised_ms <= given.raised_ms
            return replace(life, base=State.NORMAL) if seen else life
        case Change.SHELVED:
            return replace(life, shelved_until_ms=given.until_ms) if rule.shelvable else life
        case Change.UNSHELVED | Change.SHELF_EXPIRED:
            shelved = life.shelved_until_ms is not None
            return replace(life, shelved_until_ms=None, base=_anew(life, ended=shelved))
        case Change.TAKEN_OUT:
            return replace(life, out_of_service=True)
        case Change.PUT_BACK:
            base = _anew(life, ended=life.out_of_service)
            return replace(life, out_of_service=False, base=base)
        case Change.SUPPRESSED | Change.UNSUPPRESSED:
            covered = given.change is Change.SUPPRESSED
            suppressed = covered and (life.suppressed or life.active)
            return replace(life, covered=covered, suppressed=suppressed)


def _returned(life: Life, rule: Definition) -> State:
    if life.base is State.ACKNOWLEDGED:
        return State.LATCHED if rule.latching else State.NORMAL
    if life.base is State.UNACKNOWLEDGED:
        was_seen = life.shown or life.owed or not life.silent
        return State.RETURNED if was_seen or rule.latching else State.NORMAL
    return life.base


def _acknowledged(life: Life, given: Input, rule: Definition) -> State:
    if life.raised_ms > given.raised_ms:
        return life.base
    if life.base is State.UNACKNOWLEDGED:
        return State.ACKNOWLEDGED
    if life.base is State.RETURNED:
        return State.LATCHED if rule.latching else State.NORMAL
    return life.base


def _anew(life: Life, *, ended: bool) -> State:
    """ISA-18.2: an alarm whose condition still stands after a person's silence is alarmed anew.

    After suppression by design it stays as it was answered: nobody has put it aside.
    """
    return State.UNACKNOWLEDGED if ended and life.base is State.ACKNOWLEDGED else life.base
