"""Notes of drafts are told in Chinese too."""

import re

import numpy as np
import pytest

from cloud.market.battery import Battery
from cloud.market.desk.notes import note_zh
from cloud.market.plans import CycleBudget, EndSoc, PlanRequest, make_plan
from cloud.market.station_battery import Plate, station_battery

ENGLISH = re.compile(r"[a-z]{4,}")


def test_what_is_assumed_of_a_station_is_told_in_chinese():
    notes = station_battery({}, "STATION", Plate(1.0, 2.0, 0.1, 0.9), 4.0).notes

    assert len(notes) == 2
    assert [note_zh(note) for note in notes if ENGLISH.search(note_zh(note))] == []


def test_a_wish_that_was_missed_is_told_in_chinese():
    battery = Battery(1.0, 1.0, 2.0, 0.9, 0.9, soc=0.5)
    wishes = (EndSoc(1.5), CycleBudget(-1.0))

    plan = make_plan(PlanRequest(battery, np.array([50.0, 60.0]), 1.0, wishes=wishes))

    told = [note_zh(one.sentence) for one in plan.broken]
    assert len(told) == 2
    assert told[0].startswith("期末 SOC：差 ")


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("short history: 200 of 1,095 days", "历史数据较短：200 天（应有 1,095 天）"),
        ("price: 3 values missing, filled from the week before", "价格：缺 3 个值，以上周补齐"),
        (
            "lear.84: says what cannot be: the week before stands in",
            "lear.84：预测值不合理，以上周代替",
        ),
        ("the plan may be 0.20% short of the best one", "计划与最优解之差最多 0.20%"),
        (
            "planned with 40% of the power, so that its CVaR stays within the desk's limit of 500",
            "按 40% 的功率编制，使 CVaR 不超过交易台限额 500",
        ),
        ("the meter is new", "the meter is new"),
    ],
)
def test_a_note_is_told_in_chinese_or_stays_as_it_is(note: str, told: str):
    assert note_zh(note) == told
