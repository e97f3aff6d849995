"""The exchange's clock and the desk's were written apart; they must say the same."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.exchanges.gates import Calendar, DayGate
from simulator.exchange.timetable import moment_ms

ZONES = ["Europe/Brussels", "America/Chicago", "Australia/Brisbane", "Asia/Shanghai"]
CHANGES = [
    dt.date(2026, 3, 29),
    dt.date(2026, 10, 25),
    dt.date(2026, 3, 8),
    dt.date(2026, 11, 1),
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(CHANGES) | st.dates(dt.date(2020, 1, 1), dt.date(2035, 1, 1)),
    st.integers(0, 1439),
)
def test_both_sides_of_the_market_agree_when_a_clock_shows_a_time(zone, day, minute):
    at = dt.time(minute // 60, minute % 60)

    assert moment_ms(zone, day, at) == Calendar(zone).at_ms(day, at)


@pytest.mark.parametrize("zone", ZONES)
def test_a_gate_of_the_day_before_is_the_same_for_both_over_a_year(zone: str):
    calendar = Calendar(zone)

    for n in range(0, 365, 7):
        day = dt.date(2026, 1, 4) + dt.timedelta(days=n)
        start, end = calendar.day_bounds_ms(day)
        due = moment_ms(zone, day - dt.timedelta(days=1), dt.time(12))
        assert calendar.closure_ms(DayGate(1, dt.time(12)), start) == due
        assert calendar.closure_ms(DayGate(1, dt.time(12)), end - 1) == due
