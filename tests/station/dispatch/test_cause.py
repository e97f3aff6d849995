import math
from dataclasses import replace

import pytest

from contract.limits import LimitReason
from station.dispatch.cause import DeliveryFacts, likely_cause

FACTS = DeliveryFacts(
    commanded=800.0,
    measured=300.0,
    state=2,
    remote=True,
    breaker_closed=True,
    dc_voltage_v=1300.0,
    limit_kw=900.0,
    limit_reason=LimitReason.RACK_CURRENT,
    limit_device="C1-R02",
    closed_racks=4,
)


@pytest.mark.parametrize(
    ("changes", "english", "chinese"),
    [
        ({"fresh": False}, "data are stale", "数据过期"),
        ({"measured": math.nan}, "data are stale", "数据过期"),
        ({"remote": False}, "local control", "就地控制"),
        ({"state": 4, "alarms": 1}, "tripped: DC overvoltage", "跳闸：直流过压"),
        ({"alarms": 0b10000}, "grid frequency out of range", "电网频率越限"),
        ({"breaker_closed": False}, "breaker is open", "断路器断开"),
        ({"state": 1}, "does not run: standby", "未运行：待机"),
        ({"closed_racks": 0}, "all contactors are open", "接触器全部断开"),
        (
            {"alarms": 0b10, "dc_voltage_v": 995.0},
            "DC voltage 995 V is outside the converter's range: DC undervoltage",
            "直流电压 995 V 越限：直流欠压",
        ),
        (
            {"alarms": 0b1, "dc_voltage_v": math.nan},
            "DC voltage is outside the converter's range: DC overvoltage",
            "直流电压越限：直流过压",
        ),
        ({"limit_kw": 310.0}, "allows 310.0 kW: rack current limit", "C1-R02 电池簇电流限值"),
        ({"state": 3, "alarms": 0b100000}, "heat sink too warm", "散热器过温"),
        ({"state": 3}, "derates itself", "自行降额"),
        ({"meter_fresh": False}, "meter's data are stale", "电表数据过期"),
        ({}, "no cause shown", "未显示原因"),
    ],
)
def test_the_likely_cause_is_told_in_both_languages(changes, english, chinese):
    words = likely_cause(replace(FACTS, **changes))

    assert english in words.en
    assert chinese in words.zh


def test_what_says_most_is_named_first():
    facts = replace(FACTS, remote=False, state=4, limit_kw=10.0)

    assert "local control" in likely_cause(facts).en


def test_limits_that_are_not_known_are_no_cause():
    unknown = replace(FACTS, limit_kw=math.nan, dc_voltage_v=math.nan, closed_racks=None)

    assert "no cause shown" in likely_cause(unknown).en
