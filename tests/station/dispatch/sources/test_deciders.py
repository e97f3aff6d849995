import math

import pytest

from contract.words import Words
from station.dispatch.proposal import Source
from station.dispatch.sources import (
    AgcInputs,
    AgcMemory,
    AgcSettings,
    ManualSetpoint,
    SafeInputs,
    SafeMemory,
    SafeSettings,
    SafeStage,
    SelfTestInputs,
    SelfTestMemory,
    SelfTestOutcome,
    SelfTestSettings,
    propose_agc,
    propose_manual,
    propose_safe_state,
    propose_self_test,
)

AGC = AgcSettings(hold_s=30.0)
SAFE = SafeSettings(after_s=60.0, power_kw=-100.0, ramp_kw_per_s=50.0)
TEST = SelfTestSettings(rated_kw=1000.0, settle_s=10.0, stay_s=2.0)


def test_the_centre_is_followed_while_it_holds_control():
    asked, memory = propose_agc(AGC, AgcMemory(), AgcInputs(True, True, -300.0), 0)

    assert (asked.source, asked.preferred_kw) == (Source.AGC, -300.0)
    assert memory.lost_since_ms is None


@pytest.mark.parametrize(
    "inputs", [AgcInputs(False, True, 300.0), AgcInputs(True, True, None)], ids=["released", "mute"]
)
def test_a_centre_that_does_not_control_or_asks_for_nothing_is_not_followed(inputs):
    asked, memory = propose_agc(AGC, AgcMemory(100.0), inputs, 0)

    assert asked is None
    assert memory.power_kw is None


def test_a_lost_centre_is_held_for_a_time_and_then_handed_back():
    lost = AgcInputs(True, False, None)
    _, memory = propose_agc(AGC, AgcMemory(), AgcInputs(True, True, 300.0), 0)
    seen = {}

    for second in range(1, 60):
        asked, memory = propose_agc(AGC, memory, lost, 1000 * second)
        seen[second] = None if asked is None else asked.preferred_kw

    assert seen[1] == seen[30] == 300.0
    assert seen[31] is None
    assert memory.handed_back


def test_a_centre_that_comes_back_is_followed_again():
    memory = AgcMemory(300.0, 0, handed_back=True)

    asked, memory = propose_agc(AGC, memory, AgcInputs(True, True, 50.0), 90_000)

    assert asked.preferred_kw == 50.0
    assert not memory.handed_back


def test_a_request_that_is_no_number_counts_as_a_lost_centre():
    asked, _ = propose_agc(AGC, AgcMemory(300.0), AgcInputs(True, True, math.nan), 0)

    assert asked.preferred_kw == 300.0


def test_a_manual_set_point_ends_at_its_time():
    manual = ManualSetpoint(500.0, 10_000, "order-7")

    assert propose_manual(manual, 9_999).preferred_kw == 500.0
    assert propose_manual(manual, 10_000) is None
    assert propose_manual(None, 0) is None


def test_nobody_decides_and_the_last_wish_is_held_then_ramps_to_the_safe_power():
    _, memory = propose_safe_state(SAFE, SafeMemory(), SafeInputs(95.0, 0.0), 0)
    powers = {}

    base = 95.0
    for second in range(1, 80):
        asked, memory = propose_safe_state(SAFE, memory, SafeInputs(None, base), 1000 * second)
        powers[second] = base = asked.preferred_kw

    assert powers[60] == 95.0
    assert powers[61] == 45.0
    assert powers[64] == powers[79] == -100.0
    assert memory.stage is SafeStage.FALLING


def test_a_station_that_was_never_told_anything_waits_without_a_wish():
    asked, memory = propose_safe_state(SAFE, SafeMemory(), SafeInputs(None, 0.0), 1000)

    assert asked is None
    assert memory.stage is SafeStage.WAITING


def test_a_new_decider_ends_the_safe_state_at_once():
    memory = SafeMemory(SafeStage.FALLING, 0, 95.0, -100.0, 90_000)

    asked, memory = propose_safe_state(SAFE, memory, SafeInputs(10.0, -100.0), 91_000)

    assert asked is None
    assert memory.stage is SafeStage.LED


def run_test(respond, seconds: int = 200, decided_by: Source = Source.SELF_TEST):
    memory, asked_kw = SelfTestMemory("order-9"), []
    measured = 0.0
    for second in range(seconds):
        inputs = SelfTestInputs(measured, decided_by)
        asked, memory = propose_self_test(TEST, memory, inputs, 1000 * second)
        if asked is None:
            break
        asked_kw.append(asked.preferred_kw)
        measured = respond(asked.preferred_kw)
    return memory, asked_kw


def test_a_plant_that_follows_passes_step_by_step():
    memory, asked = run_test(lambda kw: kw + 3.0)

    assert memory.outcome is SelfTestOutcome.PASSED
    assert [result.asked_kw for result in memory.results] == [0.0, 50.0, 0.0, -50.0, 0.0]
    assert all(result.passed for result in memory.results)
    assert set(asked) == {0.0, 50.0, -50.0}
    assert memory.words().en.startswith("self-test passed; 0 kW reached after")
    assert memory.words().zh.startswith("自检通过；")


def test_the_first_step_that_is_not_seen_ends_the_test():
    memory, _ = run_test(lambda kw: min(kw, 20.0))

    assert memory.outcome is SelfTestOutcome.FAILED
    assert [result.passed for result in memory.results] == [True, False]
    assert "50 kW not reached in 10.0 s: 20.0 kW measured" in memory.words().en


def test_a_silent_meter_fails_the_test_and_is_named():
    memory, _ = run_test(lambda kw: math.nan)

    assert memory.outcome is SelfTestOutcome.FAILED
    assert memory.reason == Words("the meter's power is not known", "并网点功率未知")


def test_a_source_of_higher_priority_aborts_the_test():
    memory, _ = run_test(lambda kw: kw, decided_by=Source.AGC)

    assert memory.outcome is SelfTestOutcome.ABORTED
    assert memory.words().en == "self-test aborted; dispatch centre (AGC) decides"


def test_a_power_that_does_not_stay_is_not_passed():
    values = iter([0.0, 0.0, 0.0, 50.0, 0.0] + [0.0, 50.0] * 50)
    memory, _ = run_test(lambda kw: next(values))

    assert memory.outcome is SelfTestOutcome.FAILED


def test_without_an_order_no_test_runs():
    assert propose_self_test(TEST, None, SelfTestInputs(0.0, Source.NONE), 0) == (None, None)
