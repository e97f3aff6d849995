"""Whatever stands in a profile, its check ends in words: never in an error of our own."""

import contextlib
import copy
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.protocols.errors import ProfileError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.fast_plan import compile_fast
from station.protocols.modbus.hints import hints
from station.protocols.modbus.survey import survey
from station.protocols.profile_files import PROFILE_FOLDER, find

WORDS = (
    "u16",
    "s16",
    "u64",
    "f32",
    "bit",
    "coil",
    "holding",
    "lo-hi",
    "%",
    "mV",
    "idle",
    "{n}",
    "",
)
ODD = st.one_of(
    st.sampled_from([0, 1, 2, 3, 15, 16, 31, 32, 64, -1, 255, 65535, 65536, 1 << 40, 1e300]),
    st.sampled_from([float("nan"), float("inf"), 0.0, 1e-300, True, None]),
    st.sampled_from(WORDS),
    st.sampled_from([[], {}, [1, 2], [0], {"1": 2}, {"address": 1, "type": "s16"}, [[1]]]),
)
KEYS = st.sampled_from(
    ["repeat", "stride", "mask", "bits", "states", "scale", "scale_factor", "invalid", "type",
     "address", "low", "high", "also", "all_bits", "unit", "max_registers", "equals", "value",
     "before", "read_back", "count", "x"],
)  # fmt: skip
BASE = tomllib.loads((PROFILE_FOLDER / "bms-modular.toml").read_text("utf-8"))
BASE["layouts"]["rack"] = dict(list(BASE["layouts"]["rack"].items())[:8])


def tables_of(document: Any) -> list[Any]:
    below = document.values() if isinstance(document, dict) else document
    inside = [t for value in below if isinstance(value, dict | list) for t in tables_of(value)]
    return [document, *inside]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), KEYS, ODD), max_size=4))
def test_a_check_of_anything_ends_in_words(changes):
    document = copy.deepcopy(BASE)
    for where, which, key, odd in changes:
        tables = tables_of(document)
        table = tables[where % len(tables)]
        if isinstance(table, list):
            table.append(copy.deepcopy(odd))
        elif table and which % 2:
            table[list(table)[which % len(table)]] = copy.deepcopy(odd)
        else:
            table[key] = copy.deepcopy(odd)

    profile, problems = profiles.of_document("device.toml", document)

    if profile is None:
        assert problems
    if profile is not None and not problems:
        survey(profile)
        assert all(list(hints(profile)))
        with contextlib.suppress(ProfileError):
            compile_fast("device.toml", profile)


@pytest.mark.parametrize("name", ["nowhere.toml", "nowhere.icd"])
def test_a_file_that_is_nowhere_keeps_its_name(name):
    assert str(find(name)) == name
