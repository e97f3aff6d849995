import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.fast_clock import Cadence, Histogram


def passes(cadence: Cadence, *times_s: float) -> None:
    for began_s in times_s:
        cadence.note(began_s, began_s + 0.002)


def test_passes_in_rhythm_miss_nothing_and_their_jitter_is_seen():
    cadence = Cadence(0.05)

    passes(cadence, *(100.0 + 0.05 * k + (0.004 if k % 2 else 0.0) for k in range(40)))

    assert (cadence.passes, cadence.missed) == (40, 0)
    assert cadence.jitter.quantile_ms(0.99) == pytest.approx(4.0, rel=0.1)
    assert cadence.duration.quantile_ms(0.5) == pytest.approx(2.0, rel=0.1)


def test_deadlines_slept_through_are_counted_and_not_made_up_for():
    cadence = Cadence(0.05)

    passes(cadence, 0.0, 0.21, 0.26)

    assert cadence.missed == 3
    assert cadence.missed_pct == pytest.approx(50.0)
    assert cadence.jitter.longest_ms == pytest.approx(160.0)


def test_a_deadline_is_missed_from_one_and_a_half_periods_on():
    late, later = Cadence(0.05), Cadence(0.05)

    passes(late, 0.0, 0.0749)
    passes(later, 0.0, 0.0751, 0.12)

    assert (late.missed, later.missed) == (0, 1)
    assert late.deadline_ms == pytest.approx(75.0)
    assert later.take_longest_gap_ms() == pytest.approx(75.1)
    assert later.take_longest_gap_ms() == 0.0


def test_what_is_late_while_a_process_settles_is_not_judged_and_afterwards_is():
    cadence = Cadence(0.05, settles_s=1.0)

    passes(cadence, 5.0, 5.4, 6.0)
    settling = (cadence.passes, cadence.missed, cadence.jitter.longest_ms)
    passes(cadence, 6.2)

    assert settling == (3, 0, 0.0)
    assert cadence.take_longest_gap_ms() == pytest.approx(200.0)
    assert cadence.missed == 3


def test_the_timer_gives_news_some_patience_and_keeps_the_rhythm_without_them():
    cadence = Cadence(0.05)
    assert cadence.wait_s(7.0, by_news=False) == 0.0

    passes(cadence, 10.0)

    assert cadence.wait_s(10.01, by_news=True) == pytest.approx(0.05)
    assert cadence.wait_s(10.01, by_news=False) == pytest.approx(0.04)
    assert cadence.wait_s(10.2, by_news=True) == 0.0


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
