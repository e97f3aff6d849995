import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import layouts
from contract.errors import ContractError, LayoutError, UnknownLayoutError
from contract.layouts import Column, Layout
from contract.signals import SIGNALS

GOLDEN = Path(__file__).parent / "golden_layouts.json"
PUBLISHED = [
    *layouts.ALL.values(),
    layouts.cells_layout(416),
    layouts.estimate_cells_layout(416),
]


def described(layout: Layout) -> dict[str, object]:
    columns = [
        [c.signal.name, c.signal.unit, c.signal.scale, c.signal.dtype, c.repeat]
        for c in layout.columns
    ]
    return {"hash": layout.hash8.hex(), "columns": columns}


def test_a_published_layout_never_changes():
    """A failure here means that stored data would be read wrongly: give it a new name instead."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))

    assert {layout.name: described(layout) for layout in PUBLISHED} == golden


def test_every_layout_is_found_by_name_and_by_hash():
    for layout in PUBLISHED:
        assert layouts.get(layout.name) is layout
        assert layouts.by_hash(layout.hash8) is layout


def test_every_layout_survives_its_json():
    for layout in PUBLISHED:
        again = Layout.from_json(layout.to_json())

        assert again == layout
        assert again.hash8 == layout.hash8


def test_offsets_tile_the_row():
    for layout in PUBLISHED:
        spans = [layout.offset(c.signal.name) for c in layout.columns]

        assert spans[0][0] == 0
        assert spans[-1][1] == layout.width
        assert all(a[1] == b[0] for a, b in pairwise(spans))


def test_a_rack_too_wide_for_its_estimates_is_refused_with_the_most_that_go():
    with pytest.raises(LayoutError, match=r"2000 cells .* allowed are 1\.\.1638"):
        layouts.estimate_cells_layout(2000)
    with pytest.raises(UnknownLayoutError):
        layouts.get("estimate.cells/2000")


def test_the_cells_of_a_rack_are_voltages_followed_by_temperatures():
    layout = layouts.get("rack.cells/416")

    assert layout.width == 832
    assert layout.offset("cell_voltage_v") == (0, 416)
    assert layout.offset("cell_temperature_c") == (416, 832)
    assert layout.column("cell_temperature_c") == 1
    assert "cell_voltage_v" in layout


@given(st.integers(1, layouts.MAX_CELLS))
def test_any_number_of_cells_has_its_own_layout(n):
    layout = layouts.get(f"rack.cells/{n}")

    assert layout.width == 2 * n
    assert layouts.by_hash(layout.hash8) is layout


@pytest.mark.parametrize(
    "name",
    [
        *("", "racks", "rack.cells/", "rack.cells/0", "rack.cells/-1", "rack.cells/007"),
        *("rack.cells/4097", "rack.cells/1e3", "rack.cells/ 5", "rack.cells/٣"),
        "rack.cells/" + "9" * 5000,
    ],
)
def test_an_unknown_name_is_refused(name):
    with pytest.raises(UnknownLayoutError):
        layouts.get(name)


def test_an_unknown_hash_names_the_hash_and_the_remedy():
    with pytest.raises(UnknownLayoutError, match=r"0102030405060708.*station") as caught:
        layouts.by_hash(bytes(range(1, 9)))

    assert caught.value.wanted == bytes(range(1, 9))


def test_a_registered_layout_is_found_by_hash():
    layout = Layout("vendor.special", (Column(SIGNALS["soc"]), Column(SIGNALS["soh"], 3)))

    layouts.register(layout)

    assert layouts.by_hash(layout.hash8) == layout


def test_any_change_that_a_decoder_would_feel_changes_the_hash():
    base = layouts.PCS
    first = base.columns[0]
    changed = [
        replace(base, name="pcs2"),
        replace(base, columns=base.columns[::-1]),
        replace(base, columns=base.columns[1:]),
        *(
            replace(base, columns=(column, *base.columns[1:]))
            for column in (
                replace(first, repeat=2),
                replace(first, signal=replace(first.signal, name="other_kw")),
                replace(first, signal=replace(first.signal, unit="W")),
                replace(first, signal=replace(first.signal, scale=1.0)),
                replace(first, signal=replace(first.signal, dtype="i2")),
            )
        ),
    ]

    hashes = {layout.hash8 for layout in [base, *changed]}

    assert len(hashes) == len(changed) + 1


def test_a_better_label_is_no_new_layout():
    first = layouts.PCS.columns[0]
    better = replace(first, signal=replace(first.signal, label_en="real power"))

    assert replace(layouts.PCS, columns=(better, *layouts.PCS.columns[1:])).hash8 == (
        layouts.PCS.hash8
    )


def test_an_unknown_signal_is_refused_with_the_names_there_are():
    with pytest.raises(LayoutError, match=r"no signal 'speed'.*active_power_kw"):
        layouts.PCS.offset("speed")


@pytest.mark.parametrize(
    "columns",
    [
        (),
        (Column(SIGNALS["soc"]), Column(SIGNALS["soc"])),
        (Column(SIGNALS["soc"], 0),),
        (Column(SIGNALS["soc"], True),),
        (Column(SIGNALS["soc"], 10**9),),
        (Column(replace(SIGNALS["soc"], dtype="i8")),),
        (Column(replace(SIGNALS["soc"], scale=0.0)),),
        (Column(replace(SIGNALS["soc"], scale=float("nan"))),),
        (Column(replace(SIGNALS["soc"], name="")),),
        (Column(SIGNALS["soc"], 10_000), Column(SIGNALS["soh"], 10_000)),
    ],
)
def test_a_layout_that_no_decoder_could_hold_is_refused(columns):
    with pytest.raises(LayoutError):
        Layout("broken", columns)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_a_text_that_is_no_layout_is_refused(value):
    with pytest.raises(ContractError):
        Layout.from_json(json.dumps(value))


@given(
    st.sampled_from(["name", "unit", "scale", "dtype", "repeat", "kind", "grade", "states"]), JSON
)
def test_a_layout_text_with_one_odd_field_is_refused_or_a_valid_layout(field, value):
    found = json.loads(layouts.RACK.to_json())
    found["columns"][0][field] = value

    try:
        layout = Layout.from_json(json.dumps(found))
    except LayoutError:
        return
    assert Layout.from_json(layout.to_json()).hash8 == layout.hash8


def test_a_layout_text_beyond_the_size_limit_is_refused():
    with pytest.raises(LayoutError, match="over the limit"):
        Layout.from_json(b" " * (2 << 20))
