import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ScheduleError
from contract.schedule import Schedule, parse, points_of_day
from tests.contract.test_orders import PLAIN

SHANGHAI = {
    "date": "2026-03-29",
    "timezone": "Asia/Shanghai",
    "interval_min": 15,
    "power_kw": [float(i) for i in range(96)],
}


def at(zone: str, *when: int) -> int:
    return round(dt.datetime(*when, tzinfo=ZoneInfo(zone)).timestamp() * 1000)  # type: ignore[arg-type, misc]


def test_every_point_holds_for_its_quarter_hour():
    schedule = parse(SHANGHAI)

    assert schedule.power_at(at("Asia/Shanghai", 2026, 3, 29)) == 0.0
    assert schedule.power_at(at("Asia/Shanghai", 2026, 3, 29, 0, 14, 59)) == 0.0
    assert schedule.power_at(at("Asia/Shanghai", 2026, 3, 29, 0, 15)) == 1.0
    assert schedule.power_at(at("Asia/Shanghai", 2026, 3, 29, 23, 59, 59)) == 95.0


def test_outside_its_day_a_schedule_says_nothing():
    schedule = parse(SHANGHAI)

    assert schedule.power_at(schedule.start_ms - 1) is None
    assert schedule.power_at(schedule.end_ms) is None
    assert schedule.power_at(schedule.end_ms - 1) == 95.0


@pytest.mark.parametrize(
    ("date", "points", "wall", "index"),
    [
        ("2026-03-29", 92, (3, 0), 8),  # 02:00 is followed by 03:00
        ("2026-10-25", 100, (3, 0), 16),  # the hour from 02:00 comes twice
        ("2026-06-01", 96, (3, 0), 12),
    ],
)
def test_days_on_which_the_clocks_change_have_fewer_or_more_points(date, points, wall, index):
    zone, day = "Europe/Berlin", dt.date.fromisoformat(date)
    payload = SHANGHAI | {
        "date": date,
        "timezone": zone,
        "power_kw": [float(i) for i in range(points)],
    }

    schedule = parse(payload)

    assert points_of_day(day, zone) == points
    assert schedule.power_at(at(zone, day.year, day.month, day.day, *wall)) == float(index)
    assert schedule.power_at(schedule.end_ms - 1) == points - 1.0


def test_a_wrong_number_of_points_says_how_many_this_day_has():
    payload = SHANGHAI | {"timezone": "Europe/Berlin"}

    with pytest.raises(ScheduleError, match=r"96 points.*92 intervals of 15"):
        parse(payload)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "12", None, True, 1e9, 10**400, [1]],
    ids=lambda v: f"{v!r:.10}",
)
def test_a_value_that_is_no_power_is_named_with_its_index(value):
    power = [0.0] * 96
    power[41] = value

    with pytest.raises(ScheduleError, match=r"power_kw\[41\] = "):
        parse(SHANGHAI | {"power_kw": power})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"date": "29.03.2026"}, "29.03.2026"),
        ({"date": "20260329"}, "YYYY-MM-DD"),
        ({"date": "2026-02-30"}, "2026-02-30"),
        ({"date": "9999-12-31"}, "9999-12-31"),
        ({"date": 20260329}, "20260329"),
        ({"timezone": "Shanghai"}, "Shanghai"),
        ({"timezone": "../../etc/passwd"}, "IANA"),
        ({"timezone": None}, "IANA"),
        ({"timezone": "x" * 10_000}, "IANA"),
        ({"interval_min": 7}, "interval_min 7"),
        ({"interval_min": 15.0}, "interval_min 15.0"),
        ({"interval_min": [15]}, "interval_min"),
        ({"power_kw": "0"}, "list of numbers"),
        ({"regulation": 5}, "regulation"),
        ({"speed": 5}, "speed"),
    ],
)
def test_a_wrong_field_is_named(changes, text):
    with pytest.raises(ScheduleError, match=text):
        parse(SHANGHAI | changes)


def test_a_missing_field_is_named():
    with pytest.raises(ScheduleError, match="power_kw"):
        parse({k: v for k, v in SHANGHAI.items() if k != "power_kw"})


@given(st.dictionaries(st.sampled_from([*SHANGHAI, "regulation"]), PLAIN))
def test_any_odd_payload_is_refused_or_a_schedule(changes):
    try:
        schedule = parse(SHANGHAI | changes)
    except ScheduleError:
        return
    assert parse(schedule.to_payload()) == schedule


@given(PLAIN)
def test_any_other_json_is_refused(value):
    with pytest.raises(ScheduleError):
        parse(value)


@given(st.lists(st.floats(-1e6, 1e6), min_size=96, max_size=96))
def test_a_schedule_survives_its_payload(power):
    schedule = parse(SHANGHAI | {"power_kw": power, "regulation": {"capacity_kw": 500}})

    assert parse(schedule.to_payload()) == schedule


@pytest.mark.parametrize(("interval", "points"), [(5, 288), (15, 96), (30, 48), (60, 24)])
def test_other_intervals_have_their_number_of_points(interval, points):
    schedule = Schedule(dt.date(2026, 1, 1), "Asia/Shanghai", interval, (1.0,) * points)

    assert schedule.power_at(schedule.end_ms - 1) == 1.0
    with pytest.raises(ScheduleError):
        replace(schedule, power_kw=schedule.power_kw[1:])


def test_a_day_that_the_intervals_do_not_fill_is_refused():
    """On Lord Howe Island the clocks change by half an hour."""
    with pytest.raises(ScheduleError, match="intervals of 60"):
        points_of_day(dt.date(2026, 4, 5), "Australia/Lord_Howe", 60)
    assert points_of_day(dt.date(2026, 4, 5), "Australia/Lord_Howe") == 98
