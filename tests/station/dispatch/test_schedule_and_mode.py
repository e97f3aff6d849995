import datetime as dt
from dataclasses import replace

import pytest

from contract.schedule import Schedule
from station.dispatch.mode import (
    ControlMode,
    ManualSetpoint,
    ModeState,
    SafeState,
    Wishes,
    decide_target,
)
from station.dispatch.regulation import RegulationSignal
from station.dispatch.schedule import ScheduleBook, why_refused

DAY = dt.date(2026, 11, 24)
ZONE = "Asia/Shanghai"
SCHEDULE = Schedule(DAY, ZONE, 15, tuple(float(i) for i in range(96)))
START = SCHEDULE.start_ms
QUARTER_MS = 15 * 60_000
SAFE = SafeState(after_s=60, power_kw=-100.0, ramp_kw_per_s=50.0)


def book(*schedules: Schedule) -> ScheduleBook:
    found = ScheduleBook()
    for number, schedule in enumerate(schedules):
        found.put(schedule, f"order-{number}", START)
    return found


def wishes(**changes: object) -> Wishes:
    return replace(Wishes(book(SCHEDULE), None, None, SAFE), **changes)


def test_the_schedule_of_the_moment_counts():
    target, state = decide_target(ModeState(), wishes(), START, START + 5 * QUARTER_MS)

    assert (target.kw, target.mode, target.requester) == (5.0, ControlMode.SCHEDULE, "order-0")
    assert target.follows_meter
    assert state.alone_since_ms is None


def test_a_later_order_for_the_same_day_takes_the_place_of_the_first():
    later = replace(SCHEDULE, power_kw=(7.0,) * 96)

    assert book(SCHEDULE, later).power_at(START).kw == 7.0


def test_midnight_passes_from_one_schedule_to_the_next_without_a_gap():
    tomorrow = replace(SCHEDULE, date=DAY + dt.timedelta(days=1), power_kw=(9.0,) * 96)
    found = book(SCHEDULE, tomorrow)

    assert found.power_at(SCHEDULE.end_ms - 1).kw == 95.0
    assert found.power_at(SCHEDULE.end_ms).kw == 9.0
    assert found.power_at(tomorrow.end_ms) is None


def test_days_long_over_are_forgotten():
    found = book(SCHEDULE)

    found.put(replace(SCHEDULE, date=DAY + dt.timedelta(days=3)), "x", START + 3 * 86_400_000)

    assert len(found.days) == 1


def test_regulation_rides_on_the_schedule():
    signal = RegulationSignal((0.5, -1.0), capacity_kw=300, period_s=4)
    at_ms = START - START % 8000 + 8000

    up, _ = decide_target(ModeState(), wishes(regulation=signal), at_ms, at_ms)
    down, _ = decide_target(ModeState(), wishes(regulation=signal), at_ms, at_ms + 4000)

    assert (up.kw - up.scheduled_kw, down.kw - down.scheduled_kw) == (150.0, -300.0)


def test_a_person_comes_before_the_schedule_until_the_set_point_ends():
    manual = ManualSetpoint(500.0, START + 10_000, "by-hand")

    during, _ = decide_target(ModeState(), wishes(manual=manual), START, START)
    after, _ = decide_target(ModeState(), wishes(manual=manual), START + 10_000, START + 10_000)

    assert (during.kw, during.mode) == (500.0, ControlMode.MANUAL)
    assert after.mode is ControlMode.SCHEDULE


def test_without_a_schedule_the_target_is_held_then_ramped_to_the_safe_power():
    end = SCHEDULE.end_ms
    target, state = decide_target(ModeState(), wishes(), end - 1000, end - 1000)
    seen = []

    for second in range(70):
        now = end + second * 1000
        target, state = decide_target(state, wishes(), now, now)
        seen.append((target.kw, target.mode))

    assert seen[59] == (95.0, ControlMode.SCHEDULE)
    assert seen[60] == (45.0, ControlMode.SAFE_STATE)
    assert seen[62] == (-55.0, ControlMode.SAFE_STATE)
    assert seen[69] == (-100.0, ControlMode.SAFE_STATE)


def test_a_station_that_never_had_a_schedule_sends_nothing_before_its_safe_state():
    empty = wishes(schedules=ScheduleBook())

    first, state = decide_target(ModeState(), empty, START, START)
    later, _ = decide_target(state, empty, START + 60_000, START + 60_000)

    assert (first.mode, first.drives) == (ControlMode.IDLE, False)
    assert (later.mode, later.drives) == (ControlMode.SAFE_STATE, True)


def test_a_new_schedule_ends_the_safe_state():
    state = ModeState(alone_since_ms=START - 1_000_000)

    target, state = decide_target(state, wishes(), START, START)

    assert target.mode is ControlMode.SCHEDULE
    assert state.alone_since_ms is None


def check(schedule: Schedule = SCHEDULE, **changes: object) -> str | None:
    facts = {"timezone": ZONE, "rated_power_kw": 100.0, "now_ms": START, **changes}
    return why_refused(schedule, **facts)


def test_a_schedule_the_station_can_follow_is_taken():
    assert check() is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rated_power_kw": 94.0}, "power_kw[95] = 95 kW is beyond the rated power of 94 kW"),
        ({"now_ms": SCHEDULE.end_ms}, "is over"),
        ({"now_ms": START - 15 * 86_400_000}, "days ahead"),
        ({"timezone": "Europe/Berlin"}, "is not the station's Europe/Berlin"),
    ],
)
def test_a_schedule_the_station_cannot_follow_is_refused_with_the_reason(changes, words):
    assert words in check(**changes)


def test_a_schedule_with_its_own_regulation_is_refused():
    assert "not supported" in check(replace(SCHEDULE, regulation={"capacity_kw": 1}))
