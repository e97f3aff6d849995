import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.dispatch.tracking import (
    FeedbackSettings,
    FeedbackState,
    MeterSecond,
    learn_correction,
)

SETTINGS = FeedbackSettings(gain=0.2, max_kw=345.0, arrived_kw=100.0)


def follow(losses_kw: float, seconds: int, target_kw: float = 1000.0) -> list[float]:
    """The meter's error per second on a plant that loses power and answers a second later."""
    state, setpoint_kw, errors = FeedbackState(), target_kw, []
    for second in range(1, seconds + 1):
        meter_kw = setpoint_kw - losses_kw
        errors.append(meter_kw - target_kw)
        seen = MeterSecond(second * 1000, meter_kw, setpoint_kw, setpoint_kw)
        state = learn_correction(state, seen, SETTINGS, limited=False)
        setpoint_kw = target_kw + state.correction_kw
    return errors


@given(st.floats(-300, 300))
def test_the_meter_comes_to_the_target_whatever_is_lost_on_the_way(losses_kw):
    errors = follow(losses_kw, 40)

    assert abs(errors[-1]) <= 0.01 * abs(losses_kw) + 1e-6


def test_it_never_overshoots():
    errors = follow(60.0, 60)

    assert all(error <= 0 for error in errors)
    assert errors == sorted(errors)


def test_a_step_of_the_target_does_not_disturb_what_was_learned():
    state = FeedbackState(correction_kw=60.0, meter_time_ms=1000)
    behind = MeterSecond(2000, -60.0, 0.0, 1060.0)

    assert learn_correction(state, behind, SETTINGS, limited=False).correction_kw == 60.0


@pytest.mark.parametrize(
    ("second", "limited"),
    [
        pytest.param(MeterSecond(2000, 0.0, 1060.0, 1060.0), True, id="a-limit-binds"),
        pytest.param(MeterSecond(2000, math.nan, 1060.0, 1060.0), False, id="no-meter"),
        pytest.param(MeterSecond(2000, 0.0, math.nan, math.nan), False, id="no-converters"),
        pytest.param(MeterSecond(1000, 0.0, 1060.0, 1060.0), False, id="same-second-again"),
    ],
)
def test_it_holds_still_when_the_error_says_nothing(second, limited):
    state = FeedbackState(correction_kw=60.0, meter_time_ms=1000)

    assert learn_correction(state, second, SETTINGS, limited=limited).correction_kw == 60.0


@given(st.lists(st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)), max_size=50))
def test_the_correction_stays_bounded(seconds):
    state = FeedbackState()

    for n, (meter_kw, converters_kw) in enumerate(seconds, start=1):
        seen = MeterSecond(n * 1000, meter_kw, converters_kw, converters_kw)
        state = learn_correction(state, seen, replace(SETTINGS, gain=1.0), limited=False)

        assert abs(state.correction_kw) <= 345.0
