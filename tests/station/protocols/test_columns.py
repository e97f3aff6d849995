"""Columns of a layout hold what they can, and call the rest invalid."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.frame import Quality
from contract.layout import Column, Layout
from contract.signal import Grade, Kind, Signal
from station.protocols.columns import Columns, bounds

TYPES = ("i1", "i2", "i4", "f4")


def layout(types) -> Layout:
    made = [
        Column(Signal(f"signal_{n}", "V", dtype, 1.0, Kind.ANALOG, Grade.GENERAL, "s", "s"), repeat)
        for n, (dtype, repeat) in enumerate(types)
    ]
    return Layout("made", tuple(made))


@st.composite
def rows(draw):
    """A layout of any types, with a row of any numbers for it and their quality."""
    types = draw(st.lists(st.tuples(st.sampled_from(TYPES), st.integers(1, 4)), min_size=1))
    made = layout(types)
    values = draw(st.lists(st.floats(), min_size=made.width, max_size=made.width))
    flags = draw(st.lists(st.sampled_from(Quality), min_size=made.width, max_size=made.width))
    return made, np.array(values), np.array(flags, np.uint8)


@given(rows())
def test_a_value_is_held_as_it_is_or_is_an_invalid_zero(made):
    layout, row, told = made
    quality = told.copy()

    columns = Columns(layout).of(row.copy(), quality)

    assert [column.dtype for column in columns] == list(layout.dtypes)
    assert [len(column) for column in columns] == [column.repeat for column in layout.columns]
    held = np.concatenate([column.astype(np.float64) for column in columns])
    lost = quality != told
    types = np.repeat([c.signal.dtype for c in layout.columns], [len(c) for c in columns])
    for value, flag, before, gone, dtype, found in zip(
        row, quality, told, lost, types, held, strict=True
    ):
        low, high = bounds(dtype)
        exact = value if dtype == "f4" else np.rint(value)
        fits = low <= exact <= high
        assert flag == (before if fits else Quality.INVALID)
        assert gone == (not fits and before != Quality.INVALID)
        usable = fits and before < Quality.INVALID
        assert found == (np.float32(exact) if usable and dtype == "f4" else exact if usable else 0)


@pytest.mark.parametrize("value", [1e39, -1e39, math.inf, -math.inf, math.nan])
def test_a_number_too_large_for_four_bytes_is_invalid_and_not_infinite(value):
    quality = np.zeros(1, np.uint8)

    (column,) = Columns(layout([("f4", 1)])).of(np.array([value]), quality)

    assert (column.tolist(), quality.tolist()) == ([0.0], [Quality.INVALID])
