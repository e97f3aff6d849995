import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import layouts
from contract.errors import FrameError, FrameShapeError, FrameTooLargeError, UnknownLayoutError
from contract.frame import (
    MAX_FRAMES,
    MAX_ROWS,
    Frame,
    Quality,
    decode,
    decode_batch,
    encode,
    encode_batch,
    peek,
    peek_batch,
)
from tests.contract.strategies import ODD, frames


def small_frame(**changes: object) -> Frame:
    fields = {
        "device": "C1-IMD",
        "layout": layouts.INSULATION,
        "t0_ms": 1_767_225_600_000,
        "step_ms": 1000,
        "values": tuple(np.array([[10], [20], [30]], dtype="i4") for _ in range(3)),
        "quality": np.zeros((3, 3), dtype="u1"),
        "jitter_ms": None,
    }
    return Frame(**(fields | changes))  # type: ignore[arg-type]


@given(frames())
def test_decode_gives_back_what_was_encoded(frame):
    assert decode(encode(frame)) == frame


@settings(max_examples=40)
@given(frames(layout=ODD))
def test_every_dtype_narrow_and_wide_survives(frame):
    assert decode(encode(frame)) == frame


@settings(max_examples=40)
@given(st.lists(frames(), min_size=1, max_size=8))
def test_a_batch_gives_back_its_frames_in_their_order(batch):
    assert decode_batch(encode_batch(batch)) == batch


@settings(max_examples=30)
@given(st.data())
def test_frames_that_share_a_group_do_not_disturb_one_another(data):
    n = data.draw(st.integers(1, 20))
    layout = data.draw(st.sampled_from([ODD, layouts.RACK, layouts.cells_layout(40)]))
    batch = data.draw(st.lists(frames(layout=layout, n=n, step_ms=1000), min_size=2, max_size=5))

    assert decode_batch(encode_batch(batch)) == batch


@settings(max_examples=30)
@given(frames(), st.integers(1, 9))
def test_any_compression_level_decodes_to_the_same(frame, level):
    assert decode(encode(frame, level)) == frame


@settings(max_examples=30)
@given(st.lists(frames(), min_size=1, max_size=4))
def test_the_same_frames_always_give_the_same_bytes(batch):
    copies = [
        Frame(f.device, f.layout, f.t0_ms, f.step_ms, f.values, f.quality, f.jitter_ms)
        for f in batch
    ]

    assert encode_batch(batch) == encode_batch(copies)


def test_the_memory_order_of_the_arrays_does_not_matter():
    rng = np.random.default_rng(3)
    values = [rng.integers(0, 99, (50, 40), dtype="i2") for _ in range(2)]
    quality = np.zeros((50, 80), dtype="u1")
    layout = layouts.cells_layout(40)

    plain = Frame("R", layout, 0, 1, tuple(values), quality)
    turned = Frame("R", layout, 0, 1, tuple(np.asfortranarray(v) for v in values), quality)

    assert encode(plain) == encode(turned)


@given(st.lists(frames(), min_size=1, max_size=6))
def test_a_peek_tells_the_headers_without_decoding_values(batch):
    blob = encode_batch(batch)

    found = peek_batch(blob)

    assert [(h.device, h.layout_hash, h.t0_ms, h.step_ms, h.n) for h in found] == [
        (f.device, f.layout.hash8, f.t0_ms, f.step_ms, f.n) for f in batch
    ]
    assert {h.size for h in found} == {len(blob)}


def test_one_frame_is_expected_where_one_frame_is_asked_for():
    blob = encode_batch([small_frame(), small_frame(device="C2-IMD")])

    with pytest.raises(FrameError, match="holds 2"):
        decode(blob)
    with pytest.raises(FrameError, match="holds 2"):
        peek(blob)
    assert peek(encode(small_frame())).device == "C1-IMD"


def test_an_unknown_layout_is_told_apart_from_a_broken_frame():
    def nothing_known(hash8: bytes) -> layouts.Layout:
        raise UnknownLayoutError(hash8)

    with pytest.raises(UnknownLayoutError) as caught:
        decode(encode(small_frame()), nothing_known)

    assert caught.value.wanted == layouts.INSULATION.hash8


def test_physical_values_are_scaled_and_invalid_or_missing_ones_are_nan():
    quality = np.array([[0], [1], [2], [3]], dtype="u1").repeat(9, axis=1)
    raw = [
        np.full((4, 1), 1 if c.signal.dtype == "i1" else 215, dtype=c.signal.dtype)
        for c in layouts.CHILLER.columns
    ]
    frame = Frame("C1-CHL", layouts.CHILLER, 0, 1000, tuple(raw), quality)

    found = frame.physical("coolant_supply_c")

    assert found.shape == (4, 1)
    np.testing.assert_allclose(found[:, 0], [21.5, 21.5, np.nan, np.nan])
    np.testing.assert_allclose(frame.physical("auxiliary_power_kw")[:2, 0], 2.15)


def test_times_follow_the_grid_and_the_jitter():
    jitter = np.array([-5, 0, 250], dtype="i2")

    assert small_frame().times_ms.tolist() == [1_767_225_600_000 + i * 1000 for i in range(3)]
    assert small_frame(jitter_ms=jitter).times_ms.tolist() == [
        1_767_225_599_995,
        1_767_225_601_000,
        1_767_225_602_250,
    ]


def test_a_missing_value_is_zero_whatever_was_there():
    quality = np.zeros((3, 3), dtype="u1")
    quality[1, 2] = Quality.MISSING

    frame = small_frame(quality=quality)

    assert frame.raw("insulation_alarms")[:, 0].tolist() == [10, 0, 30]
    assert decode(encode(frame)) == frame


def test_a_frame_cannot_be_changed_and_leaves_its_sources_writable():
    source = np.array([[1], [2], [3]], dtype="i4")
    frame = small_frame(values=(source, source, source))

    with pytest.raises(ValueError, match="read-only"):
        frame.values[0][0, 0] = 9
    with pytest.raises(ValueError, match="read-only"):
        frame.quality[0, 0] = 1
    source[0, 0] = 5


def test_frames_differ_when_any_part_differs():
    base = small_frame()
    other_values = (np.array([[10], [20], [31]], dtype="i4"), *base.values[1:])
    quality = np.zeros((3, 3), dtype="u1")
    quality[0, 0] = 1

    changed = [
        small_frame(device="C2-IMD"),
        small_frame(t0_ms=base.t0_ms + 1),
        small_frame(step_ms=999),
        small_frame(values=other_values),
        small_frame(quality=quality),
        small_frame(jitter_ms=np.zeros(3, dtype="i2")),
    ]

    assert small_frame() == base
    assert hash(small_frame()) == hash(base)
    assert all(c != base for c in changed)
    assert base != "no frame"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"device": ""}, "device"),
        ({"device": "x" * 65}, "device"),
        ({"device": "a\nb"}, "device"),
        ({"step_ms": 0}, "step_ms"),
        ({"t0_ms": -1}, "t0_ms"),
        ({"t0_ms": 10**15}, "t0_ms"),
        ({"values": ()}, "0 columns"),
        ({"values": tuple(np.zeros((3, 1), dtype="i2") for _ in range(3))}, "resistance_positive"),
        ({"values": tuple(np.zeros((2, 1), dtype="i4") for _ in range(3))}, "resistance_positive"),
        ({"quality": np.zeros((3, 2), dtype="u1")}, "quality"),
        ({"quality": np.zeros((3, 3), dtype="i4")}, "quality"),
        ({"quality": np.full((3, 3), 4, dtype="u1")}, "quality"),
        ({"jitter_ms": np.zeros(2, dtype="i2")}, "jitter_ms"),
        ({"jitter_ms": np.zeros(3, dtype="i4")}, "jitter_ms"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(changes, text):
    with pytest.raises(FrameShapeError, match=text):
        small_frame(**changes)


def test_a_frame_without_rows_or_with_too_many_is_refused():
    with pytest.raises(FrameTooLargeError):
        small_frame(quality=np.zeros((0, 3), dtype="u1"))
    with pytest.raises(FrameTooLargeError):
        small_frame(quality=np.zeros((MAX_ROWS + 1, 3), dtype="u1"))


def test_a_batch_over_the_limits_is_refused_with_the_remedy():
    with pytest.raises(FrameTooLargeError, match="4096"):
        encode_batch([])
    with pytest.raises(FrameTooLargeError, match="4096"):
        encode_batch([small_frame()] * (MAX_FRAMES + 1))
    rows = MAX_ROWS
    zeros = np.broadcast_to(np.zeros((), dtype="i4"), (rows, 1))
    quality = np.broadcast_to(np.zeros((), dtype="u1"), (rows, 3))
    long = small_frame(values=(zeros, zeros, zeros), quality=quality)
    with pytest.raises(FrameTooLargeError, match="cut it"):
        encode_batch([long] * 3)


@given(frames(n=12, step_ms=1000, t0_ms=10_000), st.integers(0, 30_000), st.integers(0, 30_000))
def test_a_cut_keeps_exactly_the_rows_inside(frame, start_ms, end_ms):
    grid = frame.t0_ms + frame.step_ms * np.arange(frame.n)
    inside = (grid >= start_ms) & (grid < end_ms)

    cut = frame.between(start_ms, end_ms)

    if cut is None:
        assert not inside.any()
        return
    assert cut.t0_ms == grid[inside][0]
    assert cut.n == inside.sum()
    np.testing.assert_array_equal(cut.quality, frame.quality[inside])
    for kept, full in zip(cut.values, frame.values, strict=True):
        np.testing.assert_array_equal(kept, full[inside])
