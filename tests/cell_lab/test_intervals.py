"""Intervals hold nine in ten of errors, and are wider the less a temperature is known."""

import numpy as np
import pytest

from cell_lab.intervals import Errors, intervals_of
from cell_lab.stretch import nearness, stretch, told_at
from station.estimators.cell_parameters import IntervalGroup

KNOWN_C = (-15.0, 5.0, 25.0)
MIDDLE = 1
MOMENTS = 4000
FLOOR = 0.002


def errors(times: float, at_c: float, known_c, *, seed: int, group=IntervalGroup.ANCHORED):
    """Normal errors, nine in ten of which are below so many times the expected."""
    random = np.random.default_rng(seed)
    expected = np.full(MOMENTS, 0.01)
    return Errors(
        error=np.abs(random.normal(0, times * 0.01 / 1.645, MOMENTS)),
        expected=expected,
        chamber_c=np.full(MOMENTS, at_c),
        stretch=np.full(MOMENTS, stretch(known_c, at_c)),
        member=np.full(MOMENTS, group * 3 + MIDDLE),
        weight=np.full(MOMENTS, 1 / MOMENTS),
    )


def left_out(times: dict[float, float]):
    return [
        errors(value, at_c, [c for c in KNOWN_C if c != at_c], seed=10 + number)
        for number, (at_c, value) in enumerate(times.items())
    ]


def test_a_temperature_that_is_known_is_at_no_distance():
    assert [stretch(KNOWN_C, c) for c in KNOWN_C] == [0, 0, 0]


def test_the_cold_and_what_is_beyond_are_further_than_the_same_kelvin_in_the_warmth():
    assert stretch(KNOWN_C, -5) > stretch(KNOWN_C, 15) > 0
    assert stretch(KNOWN_C, -25) > stretch(KNOWN_C, -5)
    assert stretch(KNOWN_C, -25) > stretch(KNOWN_C, 35)
    assert stretch(KNOWN_C, 45) > stretch(KNOWN_C, 35)


def test_more_known_temperatures_never_make_one_further():
    assert stretch((*KNOWN_C, 15.0), 12) < stretch(KNOWN_C, 12)


def test_intervals_are_told_at_between_and_beyond_what_is_known():
    assert told_at((25.0, 5.0, 5.0)) == [-15, -5, 5, 15, 25, 35, 45]
    assert told_at((20.0, 23.0)) == [0, 10, 20, 23, 33, 43]


def test_a_temperature_is_nearest_to_itself():
    near = nearness(25, np.array([25.0, 5.0, -15.0]))

    assert near[0] == 1
    assert near[0] > near[1] > near[2]


def test_the_interval_holds_nine_in_ten_of_errors():
    seen = errors(2.0, 5.0, KNOWN_C, seed=1)

    found = intervals_of(seen, left_out({5.0: 2.0, -15.0: 2.0}), KNOWN_C)

    at = found.temperature_c.index(5.0)
    half = np.hypot(found.anchored[MIDDLE][at] * 0.01, found.floor)
    fresh = errors(2.0, 5.0, KNOWN_C, seed=99)
    assert np.mean(fresh.error <= half) == pytest.approx(0.9, abs=0.02)


def test_errors_that_grow_with_the_distance_widen_what_lies_between_and_beyond():
    seen = errors(1.0, 5.0, KNOWN_C, seed=1)

    found = intervals_of(seen, left_out({-15.0: 20.0, 5.0: 4.0, 25.0: 1.5}), KNOWN_C)

    by_c = dict(zip(found.temperature_c, found.anchored[MIDDLE], strict=True))
    assert by_c[-35] > by_c[-25] > by_c[-5] > by_c[5]
    assert by_c[15] > by_c[25]
    assert max(by_c.values()) <= 50


def test_a_make_that_was_tried_nowhere_else_is_never_surer_than_the_filter():
    found = intervals_of(errors(0.2, 25.0, (25.0,), seed=1), [], (25.0,))

    assert found.temperature_c == (5, 15, 25, 35, 45)
    for row in (*found.anchored, *found.settled, *found.searching):
        assert row[2] == 1
        assert row[0] > row[1] > 1
