"""Commands of a dispatch centre over IEC 60870-5-104: from where a step is counted."""

import math

import pytest

from station.centre.iec104_requests import CommandJudge, Measured
from station.centre.requests import Refusal, Requests
from station.iec104.point_list import Command, ControlPoint, PointList, load_points

NOW_MS = 1_790_000_000_000
POWER, REACTIVE, HEARTBEAT = 25089, 25090, 25091
SAMPLE = load_points("dispatch-centre.toml", {})
MEASURED = {POWER: Measured(-600.0, 0.0), REACTIVE: Measured(0.0, -600.0)}


@pytest.fixture
def judge() -> CommandJudge:
    listed = [
        point.model_copy(update={"max_step": 100.0})
        if isinstance(point, ControlPoint) and point.signal is not Command.HEARTBEAT
        else point
        for point in SAMPLE.points
    ]
    points: PointList = SAMPLE.model_copy(update={"points": tuple(listed)})
    return CommandJudge(points, Requests(1500.0, 900.0, 10.0, 0.0))


def give(judge: CommandJudge, ioa: int, value: float, measured: Measured, now_s: float = 1.0):
    return judge.judge(ioa, value, None, now_s=now_s, now_ms=NOW_MS, measured=measured)


@pytest.mark.parametrize("ioa", [POWER, REACTIVE])
def test_the_first_step_is_counted_from_what_is_measured_and_the_next_from_what_was_asked(
    judge, ioa
):
    measured = MEASURED[ioa]

    assert give(judge, ioa, -450.0, measured) is Refusal.STEP_TOO_LARGE
    assert give(judge, ioa, -520.0, measured) is Refusal.NONE
    assert give(judge, ioa, -700.0, measured) is Refusal.STEP_TOO_LARGE
    assert give(judge, ioa, -430.0, measured) is Refusal.NONE


@pytest.mark.parametrize("ioa", [POWER, REACTIVE])
def test_after_a_loss_a_step_is_counted_from_what_is_measured_again(judge, ioa):
    give(judge, ioa, -520.0, MEASURED[ioa])

    give(judge, HEARTBEAT, 1, MEASURED[ioa], now_s=30.0)

    assert give(judge, ioa, -450.0, MEASURED[ioa], now_s=31.0) is Refusal.STEP_TOO_LARGE
    assert give(judge, ioa, -650.0, MEASURED[ioa], now_s=31.0) is Refusal.NONE


@pytest.mark.parametrize("ioa", [POWER, REACTIVE])
def test_where_nothing_is_known_a_step_is_counted_from_nothing(judge, ioa):
    unknown = Measured(math.nan, math.nan)

    assert give(judge, ioa, 101.0, unknown) is Refusal.STEP_TOO_LARGE
    assert give(judge, ioa, 100.0, unknown) is Refusal.NONE
