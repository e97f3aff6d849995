"""From physical values to what is transmitted, and what of it is news."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.frame import Quality
from station.iec104.changes import Changes
from station.iec104.types import Form
from station.iec104.values import Flags, to_wire


@pytest.mark.parametrize(
    ("value", "form", "scale", "transmitted", "flags"),
    [
        (812.5, Form.SHORT, 1.0, 812.5, Flags.GOOD),
        (0.6213, Form.SCALED, 0.0001, 6213, Flags.GOOD),
        (-1500.0, Form.NORMALIZED, 3000.0, -0.5, Flags.GOOD),
        (2.0, Form.SINGLE, 1.0, 1.0, Flags.GOOD),
        (math.nan, Form.SHORT, 1.0, 0.0, Flags.INVALID),
        (40000.0, Form.SCALED, 1.0, 32767, Flags.OVERFLOW),
        (3000.0, Form.NORMALIZED, 3000.0, 1.0 - 2**-15, Flags.OVERFLOW),
    ],
)
def test_a_value_is_scaled_to_what_its_type_can_carry(value, form, scale, transmitted, flags):
    assert to_wire(value, form, scale, Quality.GOOD, stale=False) == (transmitted, flags)


@pytest.mark.parametrize(
    ("quality", "stale", "flags"),
    [
        (Quality.GOOD, True, Flags.NOT_TOPICAL),
        (Quality.QUESTIONABLE, False, Flags.NOT_TOPICAL),
        (Quality.INVALID, False, Flags.INVALID),
        (Quality.MISSING, True, Flags.INVALID),
    ],
)
def test_the_stations_quality_becomes_bits_of_the_descriptor(quality, stale, flags):
    assert to_wire(1.0, Form.SHORT, 1.0, quality, stale=stale)[1] == flags


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(Form),
    st.sampled_from([0.0001, 1.0, -2.0, 3000.0]),
    st.sampled_from(Quality),
    st.booleans(),
)
def test_nothing_is_transmitted_that_its_type_cannot_hold(value, form, scale, quality, stale):
    carried, flags = to_wire(value, form, scale, quality, stale=stale)

    assert math.isfinite(carried)
    assert abs(carried) <= {Form.SCALED: 32768, Form.SHORT: 3.5e38}.get(form, 1)
    assert flags & Flags.INVALID or math.isfinite(value)


def test_a_step_within_the_dead_band_is_no_news_until_it_adds_up():
    changes = Changes()

    told = [changes.is_news(1, value, Flags.GOOD, 5.0) for value in (100.0, 104.0, 105.0, 101.0)]

    assert told == [True, False, True, False]


def test_another_quality_is_news_and_the_same_value_is_none():
    changes = Changes()

    told = [
        changes.is_news(1, 100.0, flags, 0.0)
        for flags in (Flags.GOOD, Flags.GOOD, Flags.NOT_TOPICAL, Flags.NOT_TOPICAL)
    ]

    assert told == [True, False, True, False]
