from dataclasses import replace

import pytest

from contract.layouts import PCS
from station.command_cause import cause_of
from station.dispatch.commands import Command, CommandState
from tests.station.control.test_cycle import Run
from tests.station.plant_samples import sample

COMMAND = Command("c", "C1-PCS", "active_power_setpoint_kw", 500.0, "order", "", 1)


def failed(run: Run, **changes: object) -> Command:
    now_ms = run.now_ms
    life = {"state": CommandState.FAILED, "accepted_ms": now_ms, "settled_ms": now_ms}
    return replace(COMMAND, **(life | changes))


def cause(run: Run, **changes: object):
    image = run.plant.image.freeze(run.now_ms, run.now_ms)
    return cause_of(failed(run, **changes), image, run.config, run.cycle.plan)


@pytest.mark.parametrize(
    ("facts", "en", "zh"),
    [
        ({"remote_control": 0}, "local control", "就地"),
        ({"pcs_state": 4, "pcs_alarms": 0b1}, "tripped: DC overvoltage", "跳闸：直流过压"),
        ({"pcs_state": 3, "pcs_alarms": 0b100000}, "heat sink too warm", "散热器过温"),
        ({"pcs_state": 1}, "standby", "待机"),
        ({"pcs_alarms": 0b1000}, "grid voltage", "电网电压"),
        ({"pcs_alarms": 0b10}, "DC voltage 1300 V is outside", "直流电压 1300 V 越限"),
        ({}, "does not follow", "未跟随"),
    ],
)
def test_the_picture_of_the_moment_says_why(tmp_path, facts, en, zh):
    run = Run(tmp_path)
    run.plant.pcs["C1-PCS"] = {"active_power_kw": 20.0, "dc_voltage_v": 1300.0, **facts}
    run.seconds(0, 3)

    found = cause(run)

    assert en in found.en
    assert zh in found.zh


def test_a_limit_of_the_battery_is_named_with_its_rack(tmp_path):
    run = Run(tmp_path)
    run.plant.pcs["C1-PCS"] = {"active_power_kw": 20.0, "dc_voltage_v": 1300.0}
    run.plant.rack["C1-R02"] = {"discharge_current_limit_a": 50.0}
    run.seconds(0, 3)

    found = cause(run)

    assert "C1-R02" in found.en
    assert "rack current limit" in found.en


def test_open_contactors_are_the_cause_of_no_power(tmp_path):
    run = Run(tmp_path)
    run.plant.pcs["C1-PCS"] = {"active_power_kw": 0.0, "dc_voltage_v": 1300.0}
    for rack in ("C1-R01", "C1-R02"):
        run.plant.rack[rack] = {"contactor_closed": 0}
    run.seconds(0, 3)

    assert "no rack is connected" in cause(run).en


def test_a_contactor_that_was_never_accepted_was_not_taken_by_the_device(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 3)

    found = cause(run, device="C1-R01", point="open_contactor", accepted_ms=0)

    assert "did not take it" in found.en
    assert "设备未接受" in found.zh


def test_a_silent_device_has_a_line_or_supply_that_is_gone(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 3)
    run.plant.silent = {"C1-R01"}
    run.seconds(3, 15)

    assert "no fresh data" in cause(run, device="C1-R01", point="open_contactor").en


def test_a_converter_that_is_not_heard_is_said_to_be_so(tmp_path):
    run = Run(tmp_path)
    run.seconds(0, 3)
    old_ms = run.now_ms - 60_000
    run.plant.image = type(run.plant.image)({PCS.name: 5.0})
    run.plant.image.update(sample("C1-PCS", PCS.name, old_ms, pcs_state=2, remote_control=1))

    assert "stale" in cause(run).en


def test_a_reactive_set_point_is_judged_by_reactive_power_and_by_no_limit_in_kw(tmp_path):
    run = Run(tmp_path)
    run.plant.pcs["C1-PCS"] = {"active_power_kw": 20.0, "reactive_power_kvar": 3.0}
    run.plant.rack["C1-R02"] = {"discharge_current_limit_a": 50.0}
    run.seconds(0, 3)

    found = cause(run, point="reactive_power_setpoint_kvar")

    assert "the converter accepted 500.0 kvar and does not follow" in found.en
