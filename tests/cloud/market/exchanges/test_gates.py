import datetime as dt
from itertools import pairwise

import pytest

from cloud.market.exchanges import load_market
from cloud.market.exchanges.gates import Calendar, IntervalGate

BRUSSELS = Calendar("Europe/Brussels")


def _utc(text: str) -> int:
    return round(dt.datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "points"), [("2026-03-28", 96), ("2026-03-29", 92), ("2026-10-25", 100)]
)
def test_a_european_day_has_as_many_quarter_hours_as_it_has_time(day: str, points: int):
    starts = BRUSSELS.intervals_ms(dt.date.fromisoformat(day), 15)

    assert len(starts) == points
    assert {b - a for a, b in pairwise(starts)} == {900_000}


@pytest.mark.parametrize(
    ("delivery", "due"),
    [
        ("2026-03-29T10:00", "2026-03-28T11:00"),  # the gate is still in winter time
        ("2026-03-30T10:00", "2026-03-29T10:00"),  # and a day later in summer time
        ("2026-10-26T10:00", "2026-10-25T11:00"),
        ("2026-07-01T21:59", "2026-06-30T10:00"),  # the last minute of 1 July
        ("2026-07-01T22:00", "2026-07-01T10:00"),  # the first of 2 July
    ],
)
def test_noon_of_the_day_before_is_noon_on_the_local_clock(delivery: str, due: str):
    rules = load_market("europe").product("day-ahead-energy")

    assert rules.gate_closure_ms(_utc(delivery)) == _utc(due)


def test_an_hour_that_comes_twice_closes_at_its_first_showing():
    assert BRUSSELS.at_ms(dt.date(2026, 10, 25), dt.time(2, 30)) == _utc("2026-10-25T00:30")


def test_a_time_that_the_clock_skips_closes_when_the_clock_changes():
    assert BRUSSELS.at_ms(dt.date(2026, 3, 29), dt.time(2, 30)) == _utc("2026-03-29T01:00")


def test_a_gate_before_each_interval_is_counted_in_real_time():
    start = _utc("2026-10-25T01:00")

    assert BRUSSELS.closure_ms(IntervalGate(60), start) == _utc("2026-10-25T00:00")


def test_the_australian_trading_day_begins_at_four_and_knows_no_summer_time():
    rules = load_market("au-nem").product("energy")

    starts = rules.intervals_ms(dt.date(2026, 1, 10))

    assert len(starts) == 288
    assert starts[0] == _utc("2026-01-09T18:00")
    assert rules.calendar.day_of(starts[0] - 1) == dt.date(2026, 1, 9)
    assert rules.calendar.day_of(starts[-1]) == dt.date(2026, 1, 10)
    assert rules.gate_closure_ms(starts[3]) == starts[3] - 300_000


def test_intervals_of_one_stretch_are_due_together_before_the_first_of_them():
    gate = IntervalGate(60, together_min=60)
    begin = _utc("2026-03-10T09:00")

    closures = {BRUSSELS.closure_ms(gate, begin + quarter * 900_000) for quarter in range(4)}

    assert closures == {_utc("2026-03-10T08:00")}
    assert BRUSSELS.closure_ms(gate, begin + 3_600_000) == _utc("2026-03-10T09:00")
