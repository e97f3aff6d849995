import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.health.end_of_life import Rule, end_of_life
from cloud.health.trend import DAY_MS, YEAR_DAYS, Trend

NOW_MS = 1_780_000_000_000
YEAR_MS = YEAR_DAYS * DAY_MS


def years(at_ms: int | None) -> float:
    assert at_ms is not None
    return (at_ms - NOW_MS) / YEAR_MS


def test_the_line_meets_the_rule_after_what_is_left_by_the_pace():
    found = end_of_life(0.9, 0.01, Trend(-0.02, 0.005), Rule(0.7), NOW_MS)

    assert found is not None
    assert years(found.expected_ms) == pytest.approx(10)
    assert years(found.earliest_ms) == pytest.approx(0.19 / 0.025)
    assert years(found.latest_ms) == pytest.approx(0.21 / 0.015)


@given(st.floats(0.5, 1), st.floats(0, 0.05), st.floats(-0.1, 0.01), st.floats(0, 0.05), st.data())
def test_a_stricter_rule_never_retires_later(soh, half_width, pace, pace_half_width, data):
    low = data.draw(st.floats(0.3, 0.9))
    high = data.draw(st.floats(low, 0.95))

    lax, strict = (
        end_of_life(soh, half_width, Trend(pace, pace_half_width), Rule(at), NOW_MS)
        for at in (low, high)
    )

    assert lax is not None
    assert strict is not None
    for early, late in (
        (strict.earliest_ms, lax.earliest_ms),
        (strict.expected_ms, lax.expected_ms),
        (strict.latest_ms, lax.latest_ms),
        (lax.earliest_ms, lax.expected_ms),
        (lax.expected_ms, lax.latest_ms),
    ):
        assert (math.inf if early is None else early) <= (math.inf if late is None else late)


def test_what_is_below_the_rule_is_retired_now_and_what_does_not_age_is_not_in_sight():
    gone = end_of_life(0.65, math.nan, Trend(-0.01, 0.0), Rule(0.7), NOW_MS)
    fresh = end_of_life(0.95, 0.01, Trend(0.001, 0.0), Rule(0.7), NOW_MS)

    assert gone is not None
    assert gone.latest_ms == NOW_MS
    assert fresh is not None
    assert (fresh.earliest_ms, fresh.expected_ms, fresh.latest_ms) == (None, None, None)


def test_an_unknown_soh_has_no_date():
    assert end_of_life(math.nan, 0.01, Trend(-0.01, 0.0), Rule(), NOW_MS) is None


def test_the_rule_is_said_in_both_languages():
    assert "80 %" in Rule(0.8).words.en
    assert "80 %" in Rule(0.8).words.zh
