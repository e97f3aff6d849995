"""Racks from their cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.estimators.by_rack import ByRack
from station.estimators.cluster import (
    cluster_soc,
    largest,
    least,
    mean_half_width,
    places,
    station_half_width,
    weighted_mean,
)

RACK = np.array([0, 0, 0, 1, 1])
BY_RACK = ByRack.of(RACK)


def test_a_string_of_equal_cells_is_as_full_as_each():
    found = cluster_soc(BY_RACK, np.full(5, 0.3), np.full(5, 0.02), np.full(5, 280.0))

    np.testing.assert_allclose(found.soc, 0.3, atol=1e-6)
    np.testing.assert_allclose(found.half_width, 0.02, atol=1e-6)
    np.testing.assert_allclose(found.dischargeable_ah, 84.0)


def test_cells_apart_make_a_string_smaller():
    soc = np.array([0.2, 0.5, 0.6, 0.5, 0.5])

    found = cluster_soc(BY_RACK, soc, np.full(5, 0.02), np.full(5, 100.0))

    assert found.dischargeable_ah[0] == pytest.approx(20)
    assert found.chargeable_ah[0] == pytest.approx(40)
    assert found.soc[0] == pytest.approx(1 / 3)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=8))
def test_the_soc_of_a_string_lies_between_its_cells(soc):
    values = np.array(soc)
    one = ByRack.of(np.zeros(len(soc), int))

    found = cluster_soc(one, values, np.full(len(soc), 0.01), np.full(len(soc), 280.0))

    assert values.min() - 1e-6 <= found.soc[0] <= values.max() + 1e-6


def test_extremes_name_their_cells_from_one_in_each_rack():
    values = np.array([3.0, 1.0, 2.0, 5.0, 4.0])

    assert least(BY_RACK, values).cell.tolist() == [2, 2]
    assert largest(BY_RACK, values).cell.tolist() == [1, 1]
    assert least(BY_RACK, values).value.tolist() == [1, 4]


def test_no_place_is_no_number():
    found = places(np.array([-1, 4]), BY_RACK)

    assert np.isnan(found[0])
    assert found[1] == 2


def test_what_cells_share_does_not_average_out():
    many = ByRack.of(np.zeros(10_000, int))

    width = mean_half_width(many, np.full(10_000, 0.02))

    assert width[0] == pytest.approx(0.02 * 0.5**0.5, rel=1e-3)


def test_racks_of_which_nothing_is_known_are_left_out_of_the_station():
    values, weights = np.array([0.5, np.nan, 0.7]), np.array([1.0, 5.0, 1.0])

    assert weighted_mean(values, weights) == pytest.approx(0.6)
    assert np.isnan(weighted_mean(np.full(3, np.nan), weights))
    assert 0 < station_half_width(np.array([0.1, np.nan, 0.1]), weights) < 0.1
