"""Any frame becomes rows and comes back bit by bit, whatever its layout, quality and grid."""

import io

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.errors import ArchiveError
from cloud.history.archive.files import split
from cloud.history.archive.format import canonical, encodings, frames_of, schema_of, table_of
from contract import layouts
from contract.frame import Frame, Quality
from contract.layouts import Column, Layout
from contract.signals import Grade, Kind, Signal

HOUR_MS = 3_600_000


def signal(name: str, dtype: str, scale: float) -> Signal:
    return Signal(name, "V", dtype, scale, Kind.ANALOG, Grade.GENERAL, name, name)


ODD = Layout(
    "vendor/odd",
    (
        Column(signal("time", "i4", 0.05)),  # a name of ours, and a scale that is no power of ten
        Column(signal("single", "f4", 1.0), 3),
        Column(signal("tiny", "i1", 0.001)),
        Column(signal("steps", "i2", 10.0), 5),
        Column(signal("state", "i1", 1.0)),
    ),
)
FLAT = Layout("vendor/flat", (Column(signal("a", "i4", 1e-4)), Column(signal("b", "f4", 1.0))))


@st.composite
def frames(draw: st.DrawFn) -> list[Frame]:
    layout = draw(st.sampled_from([ODD, FLAT, layouts.PCS, layouts.cells_layout(5)]))
    made = []
    for _ in range(draw(st.integers(1, 3))):
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        step = draw(st.sampled_from([100, 1_000, 10_000]))
        t0 = draw(st.integers(0, 3 * HOUR_MS))
        n = draw(st.integers(1, 500))
        values = tuple(
            rng.integers(0, 256, size=(n, c.repeat * d.itemsize), dtype=np.uint8).view(d)
            for c, d in zip(layout.columns, layout.dtypes, strict=True)
        )
        quality = rng.integers(0, draw(st.integers(1, 4)), size=(n, layout.width)).astype(np.uint8)
        quality[rng.random(n) < 0.2] = Quality.MISSING
        jitter = rng.integers(-400, 400, n).astype(np.int16) if draw(st.booleans()) else None
        made.append(Frame("C1", layout, t0, step, values, quality, jitter))
    return made


@settings(max_examples=60, deadline=None)
@given(made=frames())
def test_every_bit_comes_back_through_a_file(made):
    layout = made[0].layout
    stored = canonical(made, 0, 2**50)
    if not stored:
        return
    sink = io.BytesIO()
    pq.write_table(
        table_of(stored, layout),
        sink,
        use_dictionary=["device"],
        column_encoding=encodings(layout),
        store_decimal_as_integer=True,
    )

    back = frames_of(pq.read_table(io.BytesIO(sink.getvalue())), layout)

    assert back == stored


def test_a_value_reads_in_its_unit(tmp_path):
    one = Frame(
        "C1",
        layouts.cells_layout(2),
        HOUR_MS,
        1_000,
        (np.array([[3_312, -7]], np.int16), np.array([[251, -40]], np.int16)),
        np.zeros((1, 4), np.uint8),
    )
    pq.write_table(
        table_of([one], one.layout), tmp_path / "x.parquet", store_decimal_as_integer=True
    )

    rows = duckdb.sql(
        f"SELECT index, cell_voltage_v::varchar, cell_temperature_c::varchar, quality"
        f" FROM '{tmp_path}/x.parquet'"
    ).fetchall()

    assert rows == [(1, "3.312", "25.1", None), (2, "-0.007", "-4.0", None)]


def test_rows_that_do_not_make_frames_are_refused():
    stored = canonical([Frame("C1", FLAT, 0, 1_000, *_arrays(FLAT, 10))], 0, HOUR_MS)
    table = table_of(stored, FLAT)

    with pytest.raises(ArchiveError, match="do not make frames"):
        frames_of(table.take([3, 2, 1]), FLAT)
    with pytest.raises(ArchiveError, match="do not make frames"):
        frames_of(table.drop_columns("a"), FLAT)
    with pytest.raises(ArchiveError, match="do not make frames"):
        frames_of(table_of(stored, FLAT).slice(0, 0), FLAT)


def test_the_schema_tells_unit_and_labels_of_each_signal():
    field = schema_of(layouts.PCS).field("pcs_state")

    assert field.metadata[b"label_zh"].decode() == "PCS 状态"
    assert b"states" in field.metadata


def test_a_piece_has_at_least_one_frame_and_all_frames_are_in_one(monkeypatch):
    monkeypatch.setattr("cloud.history.archive.files._MOST_ROWS", 25)
    made = [Frame("C1", FLAT, k * HOUR_MS, 1_000, *_arrays(FLAT, 10)) for k in range(7)]

    pieces = split(made, FLAT)

    assert [len(one) for one in pieces] == [2, 2, 2, 1]
    assert [frame for one in pieces for frame in one] == made


def _arrays(layout: Layout, n: int) -> tuple:
    values = tuple(
        np.zeros((n, c.repeat), d) for c, d in zip(layout.columns, layout.dtypes, strict=True)
    )
    return values, np.zeros((n, layout.width), np.uint8)
