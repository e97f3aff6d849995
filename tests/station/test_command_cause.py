from dataclasses import replace

import pytest

from contract.layouts import PCS
from contract.limits import LimitReason
from station.command_cause import likely_cause
from station.dispatch.commands import Command, CommandState
from station.image import ProcessImage
from tests.station.plant_samples import sample

T0 = 1_795_000_000_000
COMMAND = Command("c", "C1-PCS", "active_power_setpoint_kw", 500.0, "order", "", T0)
FAILED = replace(COMMAND, state=CommandState.FAILED, accepted_ms=T0, settled_ms=T0 + 15_000)


def image_of(*, age_ms: int = 0, **values: float):
    image = ProcessImage({PCS.name: 5.0})
    running = {"pcs_state": 2, "remote_control": 1, "breaker_closed": 1, "pcs_alarms": 0}
    image.update(sample("C1-PCS", PCS.name, T0 - age_ms, **(running | values)))
    return image.freeze(T0)


@pytest.mark.parametrize(
    ("facts", "en", "zh"),
    [
        ({"age_ms": 9_000}, "no fresh data", "无新数据"),
        ({"remote_control": 0}, "local control", "就地"),
        ({"pcs_state": 4, "pcs_alarms": 0b1}, "in fault; DC overvoltage", "故障；直流过压"),
        ({"pcs_state": 3, "pcs_alarms": 0b100000}, "derates itself; heatsink", "自行降额；散热器"),
        ({"pcs_state": 1}, "standby", "待机"),
        ({"pcs_alarms": 0b1000}, "grid voltage", "电网电压"),
        ({}, "not visible", "看不出"),
    ],
)
def test_the_picture_of_the_moment_says_why(facts, en, zh):
    found = likely_cause(FAILED, image_of(**facts))

    assert en in found.en
    assert zh in found.zh


def test_a_limit_of_the_moment_is_named_when_the_converter_runs_as_it_should():
    found = likely_cause(FAILED, image_of(), LimitReason.RACK_CURRENT)

    assert "rack current limit" in found.en


def test_what_was_never_accepted_was_not_taken_by_the_device():
    found = likely_cause(replace(FAILED, accepted_ms=0), image_of())

    assert "did not take it" in found.en
    assert "设备未接受" in found.zh
