"""What becomes of a model: tried in shadow, put in force, proved; or taken back, by itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import EVENT_CODES
from contract.model_order import ModelAction, ModelOrder
from contract.orders import REASONS, Outcome
from station.maintenance import life as lives
from station.maintenance.judge import Bounds, Fault, Second
from station.maintenance.life import Change, Life, Model, Rules, Running, Stage

OLD, NEW, OTHER = (Model(name * 64, "lfp-280ah", n) for n, name in enumerate("abc", 1))
RULES = Rules(Bounds(), probation_s=100)
GOOD, BAD = Second(1.0, 1.0), Second(3.0, 1.0)
WHY = Fault("model_taken_back", lives.Words("x", "y"))


def asked(action=ModelAction.DEPLOY, model=NEW, shadow_s=60, *, auto=True) -> ModelOrder:
    return ModelOrder(action, model.package, model.name, model.version, 1000, shadow_s, auto)


def run(life: Life, told: Second, seconds: int) -> Change:
    """What is told in so many equal seconds, and the life after them."""
    all_told, settled = [], []
    for _ in range(seconds):
        change = lives.second(life, told, RULES)
        life = change.life
        all_told += change.told
        settled += change.settled
    return Change(life, tuple(all_told), tuple(settled))


def in_shadow(**changes: object) -> Life:
    return lives.begin(Life(OLD), asked(**changes), "o-1").life


def test_a_model_that_does_as_well_is_put_in_force_and_then_proves_itself():
    begun = lives.begin(Life(OLD), asked(), "o-1")
    assert begun.life.running == Running(OLD, NEW)
    assert [t.code for t in begun.told] == ["model.shadow"]

    promoted = run(begun.life, GOOD, 60)
    assert promoted.life.running == Running(NEW, OLD)
    assert [t.code for t in promoted.told] == ["model.promoted"]
    assert [(s.order_id, s.outcome) for s in promoted.settled] == [("o-1", Outcome.EXECUTED)]

    proved = run(promoted.life, GOOD, 100)
    assert proved.life.running == Running(NEW)
    assert proved.life.before == OLD
    assert proved.life.stage is Stage.NONE
    assert [t.code for t in proved.told] == ["model.confirmed"]


def test_a_model_that_is_far_off_is_taken_back_in_shadow_within_a_minute():
    change = run(in_shadow(shadow_s=3600), BAD, 160)

    assert change.life.running == Running(OLD)
    assert change.life.stage is Stage.ROLLED_BACK
    assert change.life.reason == "model_worse"
    assert [t.code for t in change.told] == ["model.rolled_back"]
    assert "3.00 / 1.00" in change.told[0].words.en
    assert [(s.outcome, s.reason_code) for s in change.settled] == [(Outcome.FAILED, "model_worse")]


def test_a_model_that_is_a_little_too_far_off_does_not_pass_its_trial():
    change = run(in_shadow(), Second(1.17, 1.0), 60)

    assert change.life.running == Running(OLD)
    assert change.life.reason == "model_worse"


def test_a_model_put_in_force_at_once_rolls_back_by_itself():
    begun = lives.begin(Life(OLD), asked(shadow_s=0), "o-1")
    assert begun.life.running == Running(NEW, OLD)
    assert [t.code for t in begun.told] == ["model.promoted"]

    change = run(begun.life, BAD, 30)

    assert change.life.running == Running(OLD)
    assert [t.code for t in change.told] == ["model.rolled_back"]
    assert change.settled[0].outcome is Outcome.FAILED


def test_a_disturbance_that_meets_both_models_condemns_none():
    change = run(in_shadow(shadow_s=3600), Second(8.0, 8.0), 600)

    assert change.life.running == Running(OLD, NEW)


def test_one_wild_second_condemns_no_model():
    life = run(in_shadow(shadow_s=3600), GOOD, 20).life

    change = lives.second(life, Second(1000.0, 1.0), RULES)

    assert change.life.stage is Stage.SHADOW


def test_innovations_in_mv_condemn_a_model_that_expects_anything():
    change = run(in_shadow(shadow_s=3600), Second(0.4, 1.0, mv=40.0, reference_mv=4.0), 160)

    assert change.life.reason == "model_worse"
    assert "40.00 / 4.00 mV" in change.told[0].words.en
    assert (change.told[0].value, change.told[0].limit) == (40.0, 4.0)


def test_a_model_that_is_a_little_too_far_off_in_mv_does_not_pass_its_trial():
    change = run(in_shadow(), Second(0.1, 0.1, mv=2.34, reference_mv=2.0), 60)

    assert change.life.reason == "model_worse"


def test_differences_that_no_sensor_shows_decide_nothing():
    change = run(in_shadow(), Second(0.3, 0.01, mv=0.9, reference_mv=0.1), 60)

    assert change.life.running.active == NEW


@pytest.mark.parametrize("told", [replace(GOOD, tick_s=0.9), replace(GOOD, memory_mb=9e3)])
def test_a_model_that_takes_too_much_computing_is_taken_back(told):
    change = run(in_shadow(shadow_s=3600), told, 30)

    assert change.life.reason == "model_too_slow"


def test_a_short_burst_of_computing_is_forgiven():
    life = run(in_shadow(shadow_s=3600), replace(GOOD, tick_s=0.9), 1).life

    assert run(life, replace(GOOD, tick_s=0.01), 100).life.stage is Stage.SHADOW


def test_without_innovations_a_trial_does_not_end():
    change = run(in_shadow(), Second(), 1000)

    assert change.life.stage is Stage.SHADOW


def test_a_model_that_must_wait_is_put_in_force_by_an_order_only():
    waiting = run(in_shadow(auto=False), GOOD, 600).life
    assert waiting.stage is Stage.SHADOW

    change = lives.promote(waiting, "o-2")

    assert change.life.running == Running(NEW, OLD)
    assert {(s.order_id, s.outcome) for s in change.settled} == {
        ("o-1", Outcome.EXECUTED),
        ("o-2", Outcome.EXECUTED),
    }


def test_a_promote_order_ends_a_probation():
    life = run(in_shadow(), GOOD, 60).life

    change = lives.promote(life, "o-2")

    assert change.life.running == Running(NEW)
    assert [t.code for t in change.told] == ["model.confirmed"]


def test_a_rollback_order_returns_even_from_a_model_that_has_proved_itself():
    proved = run(in_shadow(), GOOD, 160).life
    assert proved.stage is Stage.NONE

    change = lives.take_back(proved, WHY, "o-9")

    assert change.life.running == Running(OLD)
    assert [(s.order_id, s.outcome) for s in change.settled] == [("o-9", Outcome.EXECUTED)]


def test_a_model_that_cannot_run_is_taken_back_and_without_one_nothing_happens():
    failed = lives.fail(in_shadow(), lives.Words("no such file", "无此文件"))

    assert failed.life.reason == "model_failed"
    assert lives.fail(Life(OLD), lives.Words("x", "y")) == Change(Life(OLD))


@pytest.mark.parametrize(
    ("life", "order", "code"),
    [
        (Life(OLD), asked(), None),
        (Life(OLD), asked(model=OLD), "model_in_force"),
        (in_shadow(), asked(model=OTHER), "model_busy"),
        (run(in_shadow(), GOOD, 60).life, asked(model=OTHER), "model_busy"),
        (in_shadow(), asked(ModelAction.PROMOTE), None),
        (Life(OLD), asked(ModelAction.PROMOTE), "model_unknown"),
        (in_shadow(), asked(ModelAction.PROMOTE, OTHER), "model_unknown"),
        (in_shadow(), asked(ModelAction.ROLLBACK), None),
        (Life(OLD), asked(ModelAction.ROLLBACK, OLD), "model_unknown"),
        (run(in_shadow(), GOOD, 60).life, asked(ModelAction.ROLLBACK), None),
        (run(in_shadow(), GOOD, 160).life, asked(ModelAction.ROLLBACK), None),
    ],
)
def test_an_order_that_does_not_fit_the_life_is_refused_with_its_reason(life, order, code):
    assert lives.why_refused(life, order) == code
    assert code is None or code in REASONS


def test_drift_of_the_model_in_force_is_told_once_and_when_it_is_over():
    usual = run(Life(OLD), Second(mv=2.0), 90_000).life
    assert not usual.drift.drifts

    risen = run(usual, Second(mv=3.0), 20_000)
    assert [(t.code, t.active) for t in risen.told] == [("model.drift", True)]

    over = run(risen.life, Second(mv=2.0), 40_000)
    assert [(t.code, t.active) for t in over.told] == [("model.drift", False)]


def test_the_drift_of_a_model_ends_with_its_being_in_force():
    usual = run(Life(OLD), Second(mv=2.0), 90_000).life
    drifting = run(usual, Second(mv=3.0), 20_000).life

    change = lives.begin(drifting, asked(shadow_s=0), "o-1")

    assert [(t.code, t.active, t.model) for t in change.told] == [
        ("model.promoted", True, NEW),
        ("model.drift", False, OLD),
    ]


def test_a_bad_hour_is_no_drift():
    usual = run(Life(OLD), Second(mv=2.0), 90_000).life

    assert run(usual, Second(mv=3.2), 3600).told == ()


MODELS = st.sampled_from([OLD, NEW, OTHER])


@given(
    st.builds(Running, MODELS, st.none() | MODELS), st.builds(Running, MODELS, st.none() | MODELS)
)
def test_every_arrangement_is_reached_by_steps_of_one_message(running, wanted):
    steps = 0
    while (step := lives.next_step(running, wanted)) is not None:
        changes_places = step == Running(running.second, running.active)
        assert step.active == running.active or changes_places
        running, steps = step, steps + 1
        assert steps <= 3

    assert running == wanted


@given(st.lists(st.sampled_from(["deploy", "at once", "promote", "rollback", "fail", "1", "99"])))
def test_whatever_happens_there_is_a_model_in_force_and_what_is_told_is_in_the_catalogue(acts):
    life = Life(OLD)
    for number, act in enumerate(acts):
        change = Change(life)
        wanted = {"deploy": NEW, "at once": OTHER}.get(act)
        if wanted is not None:
            order = asked(model=wanted, shadow_s=60 if act == "deploy" else 0)
            if lives.why_refused(life, order) is None:
                change = lives.begin(life, order, f"o-{number}")
        elif act in {"promote", "rollback"}:
            target = life.shadow or life.active
            order = asked(ModelAction(act), target)
            if lives.why_refused(life, order) is None:
                change = (
                    lives.promote(life, "p")
                    if act == "promote"
                    else lives.take_back(life, WHY, "r")
                )
        elif act == "fail":
            change = lives.fail(life, WHY.words)
        else:
            change = run(life, BAD if act == "99" else GOOD, int(act))
        life = change.life
        running = life.running
        assert running.second != running.active
        assert {running.active.package} <= life.kept
        assert {told.code for told in change.told} <= set(EVENT_CODES)
        assert {settled.reason_code for settled in change.settled} <= set(REASONS)
