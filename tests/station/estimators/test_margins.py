"""Margins of the worst cell, tried by drawing errors."""

import numpy as np
import pytest

from station.estimators.margins import of_weakest, standard_deviations, sum_of_parts, worst_of


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.97])
@pytest.mark.parametrize("cells", [1, 8, 416])
def test_all_cells_of_a_string_stay_within_as_often_as_is_said(shared, confidence, cells):
    random = np.random.default_rng(2)
    draws = 4000
    common = random.normal(size=(draws, 1)) * np.sqrt(shared)
    own = random.normal(size=(draws, cells)) * np.sqrt(1 - shared)

    margin = of_weakest(np.float32([shared]), cells, confidence)[0]

    held = ((common + own) < margin).all(axis=1).mean()
    assert confidence - 0.025 <= held <= min(confidence + 0.06, 1.0)


def test_one_cell_needs_the_quantile_of_one_error():
    margin = of_weakest(np.float32([0.4]), 1, 0.9)[0]

    assert margin == pytest.approx(standard_deviations(0.9), rel=1e-5)
    assert worst_of(1, 0.9)[0] == pytest.approx(0.0)


def test_margins_grow_with_confidence_and_with_cells():
    shared = np.float32([0.5])
    by_confidence = [of_weakest(shared, 24, c)[0] for c in (0.5, 0.75, 0.9, 0.99)]
    by_cells = [of_weakest(shared, n, 0.9)[0] for n in (1, 24, 416)]

    assert (np.diff(by_confidence) > 0).all()
    assert (np.diff(by_cells) > 0).all()


def test_a_sums_margin_lies_between_independent_and_equal_errors():
    margins = np.float32([3.0, 4.0])

    assert sum_of_parts(margins, 0.0) == pytest.approx(5.0)
    assert sum_of_parts(margins, 1.0) == pytest.approx(7.0)
    assert 5.0 < sum_of_parts(margins, 0.5) < 7.0
