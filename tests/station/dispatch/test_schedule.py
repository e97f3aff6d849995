import datetime as dt
from dataclasses import replace

import pytest

from contract.schedule import Schedule
from station.dispatch.schedule import ScheduleBook, why_refused

DAY = dt.date(2026, 11, 24)
ZONE = "Asia/Shanghai"
SCHEDULE = Schedule(DAY, ZONE, 15, tuple(float(i) for i in range(96)))
START = SCHEDULE.start_ms
QUARTER_MS = 15 * 60_000


def book(*schedules: Schedule) -> ScheduleBook:
    found = ScheduleBook()
    for number, schedule in enumerate(schedules):
        found.put(schedule, f"order-{number}", START)
    return found


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
