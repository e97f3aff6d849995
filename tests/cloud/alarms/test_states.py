"""Every change of an alarm's state, as a table; and that nothing is ever lost, at random."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloud.alarms.conditions import Conditions, Period
from cloud.alarms.definitions import load
from cloud.alarms.fold import Act, Given, Start, tell_of
from cloud.alarms.states import OPEN, SILENT, Change, Input, Life, State, step

RACK = load().find("rack.alarm", "rack_alarms.2")
FIRE = load().find("fire.alarm")

N, U, A, R, L = (
    *(State.NORMAL, State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED, State.LATCHED),
)
SHELVED, SUPPRESSED, OUT = State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE
SEEN = 100
"""When the period that the person has seen was raised."""


def life(base: State, **more: object) -> Life:
    return Life(base, 90, SEEN, shown=base is not N, **more)  # type: ignore[arg-type]


def after(before: Life, change: Change, definition=RACK, **given: object) -> Life:
    return step(before, Input(200, change, **given), definition)[0]


RAISED = {"onset_ms": 200, "raised_ms": 200}
ACKED = {"raised_ms": SEEN}

TABLE = [
    # plain course
    (N, Change.RAISED, RAISED, RACK, U),
    (U, Change.ACKNOWLEDGED, ACKED, RACK, A),
    (U, Change.RETURNED, {}, RACK, R),
    (A, Change.RETURNED, {}, RACK, N),
    (R, Change.ACKNOWLEDGED, ACKED, RACK, N),
    (R, Change.RAISED, RAISED, RACK, U),
    (A, Change.ACKNOWLEDGED, ACKED, RACK, A),
    (N, Change.ACKNOWLEDGED, ACKED, RACK, N),
    (N, Change.RETURNED, {}, RACK, N),
    # what was not seen is not answered
    (U, Change.ACKNOWLEDGED, {"raised_ms": SEEN - 1}, RACK, U),
    (R, Change.ACKNOWLEDGED, {"raised_ms": SEEN - 1}, RACK, R),
    (L, Change.RESET, {"raised_ms": SEEN - 1}, FIRE, L),
    # latching
    (A, Change.RETURNED, {}, FIRE, L),
    (U, Change.RETURNED, {}, FIRE, R),
    (R, Change.ACKNOWLEDGED, ACKED, FIRE, L),
    (L, Change.RAISED, RAISED, FIRE, U),
    (L, Change.RESET, ACKED, FIRE, N),
    (L, Change.ACKNOWLEDGED, ACKED, FIRE, L),
    (U, Change.RESET, ACKED, FIRE, U),
    (A, Change.RESET, ACKED, FIRE, A),
    (R, Change.RESET, ACKED, FIRE, R),
    # shelving, never of safety
    *[(base, Change.SHELVED, {"until_ms": 900}, RACK, SHELVED) for base in (N, U, A, R)],
    *[(base, Change.SHELVED, {"until_ms": 900}, FIRE, base) for base in (N, U, A, R, L)],
    # service
    *[(base, Change.TAKEN_OUT, {}, FIRE, OUT) for base in (N, U, A, R, L)],
    # suppression by design hides what stands, not what is over
    (N, Change.SUPPRESSED, {}, RACK, N),
    (U, Change.SUPPRESSED, {}, RACK, SUPPRESSED),
    (A, Change.SUPPRESSED, {}, RACK, SUPPRESSED),
    (R, Change.SUPPRESSED, {}, RACK, R),
]


@pytest.mark.parametrize(("base", "change", "given", "definition", "expected"), TABLE)
def test_each_change_leads_to_its_state(base, change, given, definition, expected):
    assert after(life(base), change, definition, **given).state is expected


SHELF = {"shelved_until_ms": 900}
COVERED = {"covered": True, "suppressed": True}
SILENCED = [
    # raised in silence: kept for later
    (life(N, **SHELF), Change.RAISED, RAISED, SHELVED, U),
    (life(N, out_of_service=True), Change.RAISED, RAISED, OUT, U),
    (life(N, covered=True), Change.RAISED, RAISED, SUPPRESSED, U),
    # gone in silence: never shown, nothing to answer; shown before, still to be answered
    (replace(life(U, **SHELF), shown=False), Change.RETURNED, {}, SHELVED, N),
    (life(U, **SHELF), Change.RETURNED, {}, SHELVED, R),
    # the end of a silence: alarmed anew after a person's, as it was after suppression
    (life(U, **SHELF), Change.UNSHELVED, {}, U, U),
    (life(A, **SHELF), Change.UNSHELVED, {}, U, U),
    (life(R, **SHELF), Change.UNSHELVED, {}, R, R),
    (life(N, **SHELF), Change.UNSHELVED, {}, N, N),
    (life(A, **SHELF), Change.SHELF_EXPIRED, {}, U, U),
    (life(A, out_of_service=True), Change.PUT_BACK, {}, U, U),
    (life(N, out_of_service=True), Change.PUT_BACK, {}, N, N),
    (life(A, **COVERED), Change.UNSUPPRESSED, {}, A, A),
    (life(U, **COVERED), Change.UNSUPPRESSED, {}, U, U),
    # two silences: the second goes on
    (life(U, **SHELF, out_of_service=True), Change.PUT_BACK, {}, SHELVED, U),
    (life(U, **SHELF, out_of_service=True), Change.UNSHELVED, {}, OUT, U),
    (life(U, **SHELF, **COVERED), Change.UNSHELVED, {}, SUPPRESSED, U),
]


@pytest.mark.parametrize(("before", "change", "given", "state", "base"), SILENCED)
def test_silence_hides_and_does_not_forget(before, change, given, state, base):
    found = after(before, change, **given)

    assert (found.state, found.base) == (state, base)


def test_a_latching_alarm_that_came_and_went_in_silence_still_waits_for_people():
    before = replace(life(U, out_of_service=True), shown=False)

    found = after(after(before, Change.RETURNED, FIRE), Change.PUT_BACK, FIRE)

    assert (found.state, found.shown) == (R, True)


def test_what_came_and_went_unseen_needs_no_answer_and_what_was_seen_before_still_does():
    fresh = after(life(N, **SHELF), Change.RAISED, **RAISED)
    unseen = after(after(replace(fresh, shown=False), Change.RETURNED), Change.UNSHELVED)
    owing = after(life(R, **SHELF), Change.RAISED, **RAISED)
    seen = after(after(owing, Change.RETURNED), Change.UNSHELVED)

    assert (fresh.shown, unseen.state) == (False, N)
    assert (owing.shown, seen.state) == (False, R)
    assert after(seen, Change.ACKNOWLEDGED, raised_ms=200).state is N


def test_a_period_that_begins_in_silence_has_not_been_shown():
    shown_before = replace(life(N, **SHELF), shown=True)

    assert not after(shown_before, Change.RAISED, **RAISED).shown


def test_an_act_is_told_though_it_changes_nothing():
    _, row = step(life(N), Input(200, Change.ACKNOWLEDGED, actor="ann", act=7), RACK)

    assert row is not None
    assert (row.state, row.actor, row.act) == (N, "ann", 7)


class NothingIsLost(RuleBasedStateMachine):
    """An alarm under any course of its condition, of people and of causes.

    The model is much simpler than the machine: is the condition standing, and has somebody who
    saw this very period acknowledged it?
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000
        self.periods: list[Period] = []
        self.acts: list[Act] = []
        self.spans: list[tuple[int, int | None]] = []
        self.answered = False
        self.shelved_until = 0
        self.out = False

    @property
    def standing(self) -> bool:
        return bool(self.periods) and self.periods[-1].returned_ms is None

    @property
    def covered(self) -> bool:
        return bool(self.spans) and self.spans[-1][1] is None

    def told(self):
        given = Given(RACK, Start(), (), self.acts, self.spans)
        return tell_of(given, Conditions(tuple(self.periods)), self.now)

    def act(self, change: Change, until_ms: int = 0) -> None:
        seen = self.told().life.raised_ms
        number = len(self.acts) + 1
        self.acts.append(Act(number, change, self.now, seen, until_ms, "ann", "why"))

    @rule(ms=st.integers(1, 50))
    def time_passes(self, ms):
        self.now += ms
        self.note_expiry()

    @precondition(lambda self: not self.standing)
    @rule()
    def appear(self):
        self.now += 1
        self.note_expiry()
        self.periods.append(Period(self.now, self.now, "e", self.now, clean=True))
        self.answered = False

    @precondition(lambda self: self.standing)
    @rule()
    def clear(self):
        self.now += 1
        self.note_expiry()
        ended = replace(self.periods[-1], cleared_ms=self.now, returned_ms=self.now)
        self.periods[-1] = ended

    @rule()
    def acknowledge(self):
        self.act(Change.ACKNOWLEDGED)
        if self.standing:
            self.answered = True
        self.now += 1
        self.note_expiry()

    @rule(ms=st.integers(1, 100))
    def shelve(self, ms):
        self.act(Change.SHELVED, self.now + ms)
        self.shelved_until = self.now + ms
        self.now += 1
        self.note_expiry()

    @rule()
    def unshelve(self):
        if self.now < self.shelved_until:
            self.answered = False
        self.act(Change.UNSHELVED)
        self.shelved_until = 0
        self.now += 1

    @rule(out=st.booleans())
    def service(self, out):
        if self.out and not out:
            self.answered = False
        self.act(Change.TAKEN_OUT if out else Change.PUT_BACK)
        self.out = out
        self.now += 1
        self.note_expiry()

    @rule()
    def cause(self):
        self.now += 1
        if self.covered:
            self.spans[-1] = self.spans[-1][0], self.now
        else:
            self.spans.append((self.now, None))
        self.note_expiry()

    def note_expiry(self):
        if 0 < self.shelved_until <= self.now:
            self.shelved_until = 0
            self.answered = False

    @invariant()
    def a_condition_that_nobody_has_answered_is_visible_or_in_a_list_that_says_why(self):
        state = self.told().life.state
        if self.standing and not self.answered:
            assert state is State.UNACKNOWLEDGED or state in SILENT

    @invariant()
    def each_silence_has_its_reason(self):
        found = self.told().life
        if found.state is State.OUT_OF_SERVICE:
            assert self.out
        elif found.state is State.SUPPRESSED:
            assert self.covered
        elif found.state is State.SHELVED:
            assert self.now < self.shelved_until
        elif self.standing:
            assert found.state in OPEN

    @invariant()
    def the_journal_ends_in_the_state_that_people_see(self):
        told = self.told()
        if told.journal:
            assert told.journal[-1].state is told.life.state


NothingIsLost.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestNothingIsLost = NothingIsLost.TestCase
