import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.dispatch.proposal import Source
from station.dispatch.sources import (
    FastMemory,
    FastSettings,
    PrimaryInputs,
    PrimaryMemory,
    PrimarySettings,
    droop_kw,
    propose_fast,
    propose_primary,
)
from station.dispatch.sources.fast_frequency import rate_of_change

PRIMARY = PrimarySettings(rated_kw=1000.0, droop_pct=2.0, dead_band_hz=0.05)
FAST = FastSettings(rated_kw=1000.0)
FREQUENCIES = st.floats(45.0, 55.0)


def shift(proposal) -> float:
    return 0.0 if proposal is None else proposal.shift_kw


@pytest.mark.parametrize(
    ("hz", "kw"),
    [
        (50.0, 0.0),
        (49.96, 0.0),
        (50.05, 0.0),
        (49.85, 100.0),
        (50.15, -100.0),
        (48.0, 1000.0),
        (52.0, -1000.0),
        (math.nan, 0.0),
    ],
)
def test_the_answer_is_the_droop_beyond_the_dead_band(hz, kw):
    assert droop_kw(PRIMARY, hz) == pytest.approx(kw)


def test_two_per_cent_droop_is_a_hundred_per_cent_of_rated_power_per_hertz():
    assert PRIMARY.pct_per_hz == pytest.approx(100.0)


@given(FREQUENCIES)
def test_the_answer_is_the_same_in_both_directions(hz):
    assert droop_kw(PRIMARY, hz) == pytest.approx(-droop_kw(PRIMARY, 100.0 - hz), abs=1e-6)


@given(FREQUENCIES, FREQUENCIES)
def test_a_lower_frequency_never_calls_for_less_power(one, other):
    low, high = sorted((one, other))

    assert droop_kw(PRIMARY, low) >= droop_kw(PRIMARY, high)


def test_limits_of_the_response_may_differ_by_direction():
    settings = PrimarySettings(1000.0, up_limit_pct=20.0, down_limit_pct=50.0)

    assert droop_kw(settings, 45.0) == 200.0
    assert droop_kw(settings, 55.0) == -500.0


def recovered(soc: float, seconds: int, hz: float = 50.0) -> list[float]:
    memory, found = PrimaryMemory(), []
    for second in range(seconds):
        proposal, memory = propose_primary(
            PRIMARY, memory, PrimaryInputs(hz, soc, "METER"), 1000 * second
        )
        found.append(shift(proposal))
    return found


def test_an_empty_battery_is_brought_back_slowly_while_the_frequency_rests():
    powers = recovered(0.2, 60)

    assert powers[0] == 0.0
    assert all(0 <= before - after <= 1.0 + 1e-9 for before, after in pairwise(powers))
    assert powers[-1] == pytest.approx(-20.0)


def test_a_full_battery_is_brought_back_by_discharging():
    assert recovered(0.9, 60)[-1] == pytest.approx(20.0)


def test_no_recovery_inside_the_band_nor_when_the_soc_is_not_known():
    assert set(recovered(0.5, 60)) == {0.0}
    assert set(recovered(math.nan, 60)) == {0.0}


def test_recovery_goes_on_into_the_band_and_then_lets_go():
    memory = PrimaryMemory(direction=-1, recovery_kw=-20.0, at_ms=0)

    going, _ = propose_primary(PRIMARY, memory, PrimaryInputs(50.0, 0.31), 1000)
    ending, _ = propose_primary(PRIMARY, memory, PrimaryInputs(50.0, 0.33), 1000)

    assert shift(going) == -20.0
    assert shift(ending) == pytest.approx(-19.0)


def test_recovery_ends_at_once_when_the_frequency_leaves_the_dead_band():
    memory = PrimaryMemory(direction=-1, recovery_kw=-20.0, at_ms=0)

    answer, after = propose_primary(PRIMARY, memory, PrimaryInputs(49.85, 0.1), 50)

    assert shift(answer) == pytest.approx(100.0)
    assert answer.source is Source.PRIMARY_FREQUENCY
    assert after.recovery_kw == 0.0


def fast(frequencies: list[float], settings: FastSettings = FAST) -> list[float]:
    memory, found = FastMemory(), []
    for step, hz in enumerate(frequencies):
        proposal, memory = propose_fast(settings, memory, hz, 50 * step, "METER")
        found.append(shift(proposal))
    return found


def test_the_fast_response_is_full_within_the_step_that_sees_the_threshold():
    assert fast([50.0, 49.79]) == [0.0, 500.0]
    assert fast([50.0, 50.21]) == [0.0, -500.0]


def test_it_holds_its_time_and_then_lets_go_along_its_ramp():
    powers = fast([49.7] + [50.0] * 500)

    held = [power for power in powers if power == 500.0]
    assert len(held) == 1 + 10_000 // 50
    released = powers[len(held) :]
    assert all(0 <= before - after <= 2.5 + 1e-9 for before, after in pairwise(powers))
    assert released[199] == pytest.approx(0.0)


def test_a_trigger_in_the_other_direction_takes_over_at_once():
    assert fast([49.7, 50.3]) == [500.0, -500.0]


def test_a_racing_frequency_triggers_before_the_threshold():
    falling = [50.0 - 0.8 * 0.05 * step for step in range(1, 20)]
    powers = fast([50.0] * 20 + falling)

    first = next(i for i, power in enumerate(powers) if power)
    assert powers[first] == 500.0
    assert ([50.0] * 20 + falling)[first] > FAST.low_hz - 0.4
    assert first < 20 + 10


def test_a_frequency_that_races_back_to_nominal_triggers_nothing():
    settings = FastSettings(rated_kw=1000.0, low_hz=49.0)
    slowly = [50.0 - 0.01 * step for step in range(60)]
    back = [slowly[-1] + 0.8 * 0.05 * step for step in range(1, 15)]

    assert set(fast(slowly + back, settings)) == {0.0}


def test_an_unknown_frequency_triggers_nothing_and_forgets_the_window():
    assert set(fast([50.0, math.nan, 50.0])) == {0.0}


@given(st.floats(-5, 5), st.floats(49, 51))
def test_the_rate_of_a_straight_course_is_its_slope(slope, start):
    samples = tuple((50 * i, start + slope * 0.05 * i) for i in range(11))

    assert rate_of_change(samples, 0.5) == pytest.approx(slope, abs=1e-6)


def test_too_short_a_window_tells_no_rate():
    assert rate_of_change(((0, 50.0), (50, 49.0)), 0.5) == 0.0


@given(st.lists(FREQUENCIES, max_size=60))
def test_the_fast_response_never_passes_its_power(frequencies):
    assert all(abs(power) <= 500.0 for power in fast(frequencies))
