"""How a finding is told to people."""

import json

import numpy as np
import pytest

from station.protection import ProtectionState, load_rules
from station.protection.findings import find
from station.protection.judge import Reading, judge
from station.protection.rules import Sense
from station.protection_alarms import verdict_conditions
from tests.station.protection.world import World


def test_a_finding_is_told_with_its_own_words_and_names_its_cell_once():
    world = World()
    world.run(3)
    world.rack("C1-R02", cell_voltage_max_v=3.70001)
    verdict = world.run(1)

    (told,) = verdict_conditions(verdict, world.now_ms)

    assert (told.code, told.device, told.tag) == ("protection.stop", "C1-R02", "cell_voltage_high")
    assert told.detail == verdict.findings[0].words
    assert told.detail.en.count("cell 7") == told.detail.zh.count("7 号单体") == 1


def test_a_ventilation_fault_is_told_once_under_its_own_code():
    world = World()
    world.run(3)
    world.boxes["C1"].ventilation = 2
    verdict = world.run(5)

    told = [c.code for c in verdict_conditions(verdict, world.now_ms) if c.device == "C1-VENT"]

    assert told == ["ventilation.fault"]


@pytest.mark.parametrize("rule", [r for r in load_rules().rules if r.code], ids=lambda r: r.id)
def test_a_rules_own_code_is_that_of_its_findings_at_every_level(rule):
    for level, figures in rule.levels:
        beyond = figures.limit + (0.001 if rule.sense is Sense.HIGH else -0.001)
        judged = {rule.id: judge(rule, reading(beyond), None, 0)}
        # A level that has a delay is reached once the value has stayed beyond for so long.
        judged = {rule.id: judge(rule, reading(beyond), judged[rule.id], figures.delay_s)}

        (finding,) = find(load_rules(), judged, {})

        assert (finding.level, finding.code) == (level, rule.code)


def reading(value: float) -> Reading:
    none = np.zeros(1, dtype=np.int64)
    return Reading(("C1-X",), ("C1",), np.array([value]), none, none)


def test_a_latched_finding_keeps_its_own_code_while_its_cause_stands_after_a_restart():
    world = World()
    world.emergency_stop = True
    world.run(2)
    world.state = ProtectionState.restore(json.loads(json.dumps(world.state.latches())))
    verdict = world.run(1)

    codes = {c.code for c in verdict_conditions(verdict, world.now_ms) if c.device == "PANEL"}

    assert codes == {"control.emergency_stop"}


def test_what_waits_for_a_reset_is_told_as_such_whatever_its_code():
    world = World()
    world.emergency_stop = True
    world.run(2)
    world.emergency_stop = False
    verdict = world.run(1)

    (told,) = [c for c in verdict_conditions(verdict, world.now_ms) if c.tag == "emergency_stop"]

    assert told.code == "protection.latched"


def told(verdict, now_ms: int, heard: dict[str, int] | None) -> set[tuple[str, str]]:
    return {(c.device, c.code) for c in verdict_conditions(verdict, now_ms, heard)}


def test_who_was_never_heard_is_awaited_and_not_told_as_silent():
    world = World()
    world.run(3)
    world.silent |= {"C1-R01", "C1-R02"}
    verdict = world.run(8)

    first, second = ("C1-R01", "protection.stop"), ("C1-R02", "protection.stop")
    since_ms = min(one.since_ms for one in verdict.findings if one.device)
    assert told(verdict, world.now_ms, None) == {first, second}
    assert told(verdict, world.now_ms, {"C1-R01": since_ms}) == {first}
    assert told(verdict, world.now_ms, dict.fromkeys(("C1-R01", "C1-R02"), since_ms)) == {
        *(first, second)
    }


def test_what_began_before_a_devices_first_word_is_not_told_while_it_ends():
    world = World()
    world.run(3)
    world.silent |= {"C1-PCS"}
    world.run(8)
    world.silent.clear()
    verdict = world.run(1)  # it takes some seconds of answers until the rule is content

    assert ("C1-PCS", "protection.stop") in told(verdict, world.now_ms, None)
    assert told(verdict, world.now_ms, {"C1-PCS": world.now_ms}) == set()


def test_a_latch_is_told_though_its_device_was_not_heard_yet():
    world = World()
    world.emergency_stop = True
    world.run(2)
    world.emergency_stop = False
    verdict = world.run(1)

    assert ("PANEL", "protection.latched") in told(verdict, world.now_ms, {})
