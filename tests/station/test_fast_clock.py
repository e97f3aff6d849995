import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.fast_clock import DeadlineGrid, Histogram


def test_a_pass_in_each_slot_misses_none():
    grid = DeadlineGrid(0.05, now_s=100.0)

    for k in range(20):
        began = 100.0 + 0.05 * k + 0.001
        grid.finish(began, began + 0.002)

    assert (grid.passes, grid.missed) == (20, 0)
    assert grid.lateness.quantile_ms(0.99) == pytest.approx(3.0, rel=0.1)


def test_slots_slept_through_are_counted_and_not_made_up_for():
    grid = DeadlineGrid(0.05, now_s=0.0)
    grid.finish(0.0, 0.001)

    grid.finish(0.21, 0.211)

    assert grid.missed == 3
    assert grid.wait_s(0.211) == pytest.approx(0.25 - 0.211)
    assert grid.missed_pct == pytest.approx(60.0)


def test_a_second_pass_in_a_slot_is_no_second_deadline():
    grid = DeadlineGrid(0.05, now_s=0.0)
    grid.finish(0.0, 0.001)
    grid.finish(0.02, 0.021)

    assert (grid.passes, grid.missed) == (1, 0)


def test_a_pass_that_overruns_its_slot_makes_the_next_one_late_or_missed():
    grid = DeadlineGrid(0.05, now_s=0.0)

    grid.finish(0.0, 0.12)

    assert grid.lateness.longest_ms == pytest.approx(120)
    assert grid.wait_s(0.12) == 0.0
    grid.finish(0.12, 0.121)
    assert grid.missed == 1


@given(st.lists(st.floats(0.02, 5_000), min_size=1, max_size=300), st.floats(0.01, 1))
def test_a_quantile_is_exact_to_a_twelfth_of_its_value(durations, share):
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)

    exact = float(np.quantile(durations, share, method="inverted_cdf"))

    assert exact / 1.09 <= histogram.quantile_ms(share) <= exact * 1.09
    assert sum(count for _, count in histogram.bins()) == len(durations)


def test_an_empty_histogram_has_no_quantile():
    assert Histogram().quantile_ms(0.5) is None
