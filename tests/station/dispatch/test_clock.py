from hypothesis import given
from hypothesis import strategies as st

from station.dispatch.clock import (
    ClockMemory,
    ClockMoment,
    ClockReading,
    ClockSettings,
    read_clock,
)

SETTINGS = ClockSettings(step_ms=500, stable_s=60.0)
START = 1_700_000_000_000
HOUR = 3_600_000


def course(steps: list[tuple[int, int]]) -> list[ClockReading]:
    memory, found = ClockMemory(), []
    for wall_ms, steady_ms in steps:
        reading, memory = read_clock(SETTINGS, memory, wall_ms, steady_ms)
        found.append(reading)
    return found


def seconds(count: int, offset_ms: int = 0, first: int = 0) -> list[tuple[int, int]]:
    return [(START + offset_ms + 1000 * s, 1000 * s) for s in range(first, first + count)]


def test_an_even_clock_is_followed():
    assert [r.time_ms for r in course(seconds(5))] == [wall for wall, _ in seconds(5)]


def test_a_step_is_told_once_and_the_own_time_goes_on_evenly():
    found = course(seconds(5) + seconds(5, HOUR, first=5))

    assert [r.time_ms for r in found] == [START + 1000 * s for s in range(10)]
    assert [r.moment for r in found[5:]] == [ClockMoment.STEPPED, None, None, None, None]
    assert found[5].step_ms == HOUR
    assert found[5].words().en == "wall clock stepped by +3600.0 s; dispatch keeps its own time"
    assert "3600.0" in found[5].words().zh


def test_the_new_time_is_taken_when_it_has_been_even_for_its_time():
    found = course(seconds(5) + seconds(70, HOUR, first=5))

    taken = [i for i, r in enumerate(found) if r.moment is ClockMoment.TAKEN]
    assert taken == [65]
    assert found[64].time_ms == START + 64_000
    assert found[65].time_ms == START + HOUR + 65_000
    assert not found[66].by_steady


def test_a_clock_that_steps_back_has_changed_nothing():
    found = course(seconds(5) + seconds(20, -HOUR, first=5) + seconds(80, 0, first=25))

    assert [r.time_ms for r in found] == [START + 1000 * s for s in range(105)]
    assert found[25].moment is ClockMoment.RETURNED
    assert all(r.moment is None for r in found[26:])


def test_a_second_step_begins_the_wait_anew():
    found = course(seconds(5) + seconds(50, HOUR, 5) + seconds(70, 2 * HOUR, 55))

    assert [i for i, r in enumerate(found) if r.moment is ClockMoment.TAKEN] == [115]


def test_a_slewed_clock_is_followed_without_a_step():
    steps = [(START + 1000 * s + 20 * s, 1000 * s) for s in range(200)]

    found = course(steps)

    assert [r.time_ms for r in found] == [wall for wall, _ in steps]
    assert not any(r.moment for r in found)


@given(st.lists(st.sampled_from([0, HOUR, -HOUR, 30_000, 100]), min_size=1, max_size=80))
def test_time_never_jumps_without_being_told(offsets):
    steps = [(START + offset + 1000 * s, 1000 * s) for s, offset in enumerate(offsets)]
    found = course(steps)

    for s in range(1, len(found)):
        jump = found[s].time_ms - found[s - 1].time_ms - 1000
        assert abs(jump) < SETTINGS.step_ms or found[s].moment is ClockMoment.TAKEN
