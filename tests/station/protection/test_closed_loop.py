"""Actions are done when the plant shows them; else they are repeated and escalated."""

from dataclasses import replace
from itertools import pairwise

import pytest

from contract.limits import LimitReason
from station.protection import Level, Refused
from tests.station.protection.world import World, finding


def tripped_rack(*deaf: str) -> World:
    world = World()
    world.run(3)
    world.deaf |= set(deaf)
    world.rack("C1-R03", cell_voltage_max_v=3.75)
    return world


def test_an_action_is_confirmed_by_the_contactor_and_the_fallen_current():
    world = tripped_rack()

    world.run(6)

    action, confirmed = world.told("protection.action")[0], world.told("protection.confirmed")[0]
    assert (action.device, confirmed.device) == ("C1-R03", "C1-R03")
    assert action.at_ms < confirmed.at_ms
    assert "open contactor" in confirmed.detail.en
    assert "接触器" in confirmed.detail.zh
    assert [a.attempt for a in world.sent] == [1]
    assert world.told("protection.escalated") == []


def test_an_action_that_nothing_shows_is_repeated_then_escalated_then_repeated_slowly():
    world = tripped_rack("C1-R03")

    world.run(40)

    tries = [a for a in world.sent if a.device == "C1-R03"]
    assert [a.attempt for a in tries[:4]] == [1, 2, 3, 4]
    assert len({a.id for a in world.sent}) == len(world.sent)
    seconds = [int(a.id.split("-")[1]) // 1000 for a in tries[:4]]
    gaps = [b - a for a, b in pairwise(seconds)]
    assert gaps == [3, 10, 10]
    assert len(world.told("protection.escalated")) == 1
    assert "whole container C1" in world.told("protection.escalated")[0].detail.en


def test_an_action_that_stays_unconfirmed_is_repeated_once_a_minute_in_the_end():
    world = tripped_rack("C1-R03")

    world.run(220)

    tries = [int(a.id.split("-")[1]) // 1000 for a in world.sent if a.device == "C1-R03"]
    assert [b - a for a, b in pairwise(tries)] == [3, *[10] * 6, 60, 60]
    assert len(world.told("protection.escalated")) == 1


def test_a_contactor_that_gives_way_late_is_still_opened():
    world = tripped_rack("C1-R03")
    world.run(120)
    world.deaf.clear()

    world.run(60)

    assert "C1-R03" not in world.closed("C1")


def test_a_device_that_answers_but_whose_current_stays_is_not_confirmed():
    world = tripped_rack("C1-R03", "C1-PCS")
    world.rack("C1-R03", contactor_closed=False)
    plant = world.plant

    def leaking():
        state = plant()
        first = state.containers[0]
        racks = tuple(
            replace(r, current_a=80.0) if r.device == "C1-R03" else r for r in first.racks
        )
        return replace(state, containers=(replace(first, racks=racks), *state.containers[1:]))

    world.plant = leaking
    verdict = world.run(12)

    assert world.told("protection.confirmed") == [] or all(
        m.device != "C1-R03" for m in world.told("protection.confirmed")
    )
    assert finding(verdict, "contactor_welded").device == "C1-R03"


def test_a_silent_device_confirms_nothing():
    world = tripped_rack()
    world.run(1)
    world.silent.add("C1-R03")

    world.run(12)

    assert "C1-R03" not in [m.device for m in world.told("protection.confirmed")]


def test_a_contactor_that_somebody_closes_again_is_opened_again():
    world = tripped_rack()
    world.run(6)
    world.rack("C1-R03", contactor_closed=True)

    world.run(3)

    assert [a.attempt for a in world.sent if a.device == "C1-R03"] == [1, 1]
    assert "C1-R03" not in world.closed("C1")


def test_ventilation_that_does_not_follow_is_told_and_escalates_no_further():
    world = World()
    world.deaf.add("C1-VENT")
    world.boxes["C1"].hydrogen_ppm = 300.0

    verdict = world.run(20)

    assert finding(verdict, "auxiliary_unconfirmed").level is Level.WARN
    assert "a person must look" in world.told("protection.escalated")[0].detail.en
    assert len(world.closed("C1")) == 4


def test_escalation_goes_from_the_rack_over_the_container_to_the_station():
    world = tripped_rack("C1-R03", "C1-PCS")

    verdict = world.run(60)

    rules = [cause.rule for cause in verdict.first_out.sequence]
    assert rules == [
        "cell_voltage_high",
        "contactor_welded",
        "converter_not_stopped",
        "container_not_isolated",
    ]
    assert world.closed("C3") == []


def test_after_a_reset_protection_puts_back_what_it_has_changed():
    world = World()
    world.run(3)
    world.boxes["C1"].fire_state = 2
    world.run(8)
    world.boxes["C1"].fire_state = 0
    world.run(3)

    still = world.closed("C1")
    world.reset()
    closing = world.run(1)
    verdict = world.run(70)

    assert still == []
    assert closing.limits.converters["C1-PCS"].discharge.kw == 0
    assert len(world.closed("C1")) == 4
    assert (world.boxes["C1"].cooling, world.boxes["C1"].ventilation) == (1, 0)
    assert verdict.level is Level.NORMAL
    assert world.boxes["C1"].power_kw == 600.0


def test_a_contactor_that_will_not_close_is_left_open_after_some_attempts():
    world = tripped_rack()
    world.run(6)
    world.rack("C1-R03", cell_voltage_max_v=3.3)
    world.run(3)
    world.deaf.add("C1-R03")

    world.reset()
    verdict = world.run(40)

    tries = [a for a in world.sent if a.point == "close_contactor"]
    assert [a.attempt for a in tries] == [1, 2, 3]
    assert verdict.limits.converters["C1-PCS"].discharge.kw > 0
    assert "left" in world.told("protection.action")[-1].detail.en


def test_in_local_control_nothing_is_sent_and_nothing_allowed_but_the_emergency_stop():
    world = World()
    world.run(3)
    world.remote = False
    world.boxes["C1"].fire_state = 2

    verdict = world.run(5)
    quiet = list(world.sent)
    world.emergency_stop = True
    world.run(5)

    assert verdict.local
    assert (verdict.limits.charge.kw, verdict.limits.discharge.kw) == (0, 0)
    assert verdict.limits.discharge.reason in (LimitReason.LOCAL_CONTROL, LimitReason.FIRE)
    assert verdict.limits.converters["C3-PCS"].charge.reason is LimitReason.LOCAL_CONTROL
    assert verdict.held == {"C1-PCS", "C2-PCS", "C3-PCS"}
    assert quiet == []
    assert {a.point for a in world.sent} == {"stop", "open_contactor"}


def test_back_in_remote_control_the_fire_is_acted_upon():
    world = World()
    world.remote = False
    world.boxes["C1"].fire_state = 2
    world.run(5)

    world.remote = True
    world.run(6)

    assert world.closed("C1") == []
    assert not world.boxes["C1"].running


@pytest.mark.parametrize("device", ["C1-R01", "C1-PCS"])
def test_a_reset_does_not_drop_an_escalation_whose_device_still_does_not_follow(device):
    world = tripped_rack(device)
    world.boxes["C1"].fire_state = 2
    world.run(25)
    world.boxes["C1"].fire_state = 0
    world.rack("C1-R03", cell_voltage_max_v=3.3)
    world.run(5)

    outcome = world.reset()

    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "cause_stands"
    assert device in outcome.words.en
