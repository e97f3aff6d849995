import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.health.trend import DAY_MS, LEAST_DAYS, trend

T0_MS = 1_760_000_000_000


def days(n: int) -> np.ndarray:
    return T0_MS + DAY_MS * np.arange(n, dtype=np.int64)


@given(st.floats(-0.1, 0.05), st.integers(31, 500))
def test_a_straight_line_is_found_whatever_its_slope(per_year, n):
    times = days(n)
    soh = 0.95 + per_year * np.arange(n) / 365.25

    found = trend(times, soh)

    assert found is not None
    assert found.per_year == pytest.approx(per_year, abs=1e-9)
    assert found.half_width == pytest.approx(0, abs=1e-9)


def test_days_that_are_off_and_days_that_are_missing_do_not_turn_the_line():
    times, soh = days(200), 0.95 - 0.03 * np.arange(200) / 365.25
    soh[20:30] = np.nan
    soh[::25] = 0.7

    found = trend(times, soh)

    assert found is not None
    assert found.per_year == pytest.approx(-0.03, abs=0.002)


def test_the_interval_of_noisy_days_holds_the_truth_nine_times_in_ten():
    draw, held = np.random.default_rng(4), 0
    times, line = days(120), 0.95 - 0.02 * np.arange(120) / 365.25
    for _ in range(200):
        found = trend(times, line + draw.normal(0, 0.002, 120))
        assert found is not None
        held += abs(found.per_year + 0.02) <= found.half_width

    assert 165 <= held <= 198


@pytest.mark.parametrize("n", [0, 1, 2, int(LEAST_DAYS)])
def test_less_than_a_month_has_no_trend(n):
    assert trend(days(n), np.full(n, 0.9)) is None


def test_only_unknown_days_have_no_trend():
    assert trend(days(100), np.full(100, np.nan)) is None
