"""Batches as slabs give the same frames as batches as frames, joined or not."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import layouts
from contract.frame import (
    Frame,
    FrameError,
    Slab,
    decode_batch,
    decode_slabs,
    encode_batch,
    encode_slabs,
    join_slabs,
    merge,
)
from tests.contract.strategies import ODD, frames

T0_MS = 1_767_225_600_000


def by_place(found: list[Frame]) -> list[Frame]:
    return sorted(found, key=lambda f: (f.layout.hash8, f.device, f.t0_ms, f.step_ms, f.n))


@settings(max_examples=60)
@given(st.lists(frames(), min_size=1, max_size=8))
def test_the_slabs_of_a_batch_hold_its_frames(batch):
    slabs = decode_slabs(encode_batch(batch))

    found = [frame for slab in slabs for frame in slab.frames()]

    assert len(found) == len(batch)
    for frame in batch:
        assert frame in found


@settings(max_examples=60)
@given(st.lists(frames(), min_size=1, max_size=8))
def test_slabs_are_encoded_as_their_frames_are(batch):
    slabs = decode_slabs(encode_batch(batch))
    as_frames = [frame for slab in slabs for frame in slab.frames()]

    assert encode_slabs(slabs) == encode_batch(as_frames)


def test_what_lies_under_a_missing_value_is_not_sent():
    cells = layouts.cells_layout(1)
    columns = tuple(np.array([[[7]], [[8]]], kind) for kind in cells.dtypes)
    quality = np.array([[[3, 0]], [[0, 1]]], np.uint8)

    blob = encode_slabs([Slab(("A", "B"), cells, T0_MS, 1000, columns, quality, None)])

    (slab,) = decode_slabs(blob)
    assert slab.columns[0].ravel().tolist() == [0, 8]
    assert slab.columns[1].ravel().tolist() == [7, 8]
    assert slab.quality is not None
    assert (slab.quality == quality).all()


def test_a_slab_whose_arrays_do_not_fit_is_refused():
    cells = layouts.cells_layout(2)
    columns = tuple(np.zeros((1, 1, 3), kind) for kind in cells.dtypes)

    with pytest.raises(FrameError, match="do not fit"):
        encode_slabs([Slab(("A",), cells, T0_MS, 1000, columns, None, None)])


@settings(max_examples=60)
@given(st.data())
def test_joined_slabs_are_the_merged_frames_of_each_device(data):
    layout = data.draw(st.sampled_from([ODD, layouts.RACK, layouts.cells_layout(6)]))
    jitter = data.draw(st.booleans())
    starts = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=5, unique=True))
    n = data.draw(st.integers(1, 12))
    batches = []
    for start in starts:
        made = [
            data.draw(frames(layout=layout, n=n, step_ms=1000, device=device))
            for device in ("A", "B", "C")
        ]
        batches.append([_moved(f, T0_MS + start * 1000, jitter=jitter) for f in made])
    slabs = [slab for batch in batches for slab in decode_slabs(encode_batch(batch))]
    ordered = sorted(starts)
    apart = all(later - one >= n for one, later in pairwise(ordered))

    joined = join_slabs(slabs)

    assert (joined is not None) == apart
    if joined is not None:
        assert [f.device for f in joined.frames()] == ["A", "B", "C"]
        for k, frame in enumerate(joined.frames()):
            assert frame == merge([batch[k] for batch in batches])


def _moved(frame: Frame, t0_ms: int, *, jitter: bool) -> Frame:
    late = np.arange(frame.n, dtype=np.int16) if jitter else None
    what = (frame.device, frame.layout, t0_ms, frame.step_ms)
    return Frame(*what, frame.values, frame.quality, late)


@settings(max_examples=40)
@given(st.lists(frames(layout=layouts.FIRE, n=20, step_ms=1000), min_size=1, max_size=3))
def test_a_cut_slab_holds_the_cut_frames(batch):
    for slab in decode_slabs(encode_batch(batch)):
        cut = slab.between(slab.t0_ms + 3_500, slab.t0_ms + 9_000)

        assert cut is not None
        for frame, part in zip(slab.frames(), cut.frames(), strict=True):
            assert part == frame.between(slab.t0_ms + 3_500, slab.t0_ms + 9_000)


def test_slabs_decode_what_frames_decode():
    batch = [Frame("M", layouts.METER, T0_MS, 1000, *_zeros(layouts.METER, 5))]

    blob = encode_batch(batch)

    assert [f for s in decode_slabs(blob) for f in s.frames()] == decode_batch(blob)


def _zeros(layout, n):
    values = tuple(
        np.zeros((n, c.repeat), d) for c, d in zip(layout.columns, layout.dtypes, strict=True)
    )
    return values, np.zeros((n, layout.width), dtype=np.uint8)


def test_slabs_whose_union_no_reader_would_take_are_not_joined():
    layout = layouts.cells_layout(2_000)
    values, quality = _zeros(layout, 1)
    ends = [
        Frame("C1-R01", layout, T0_MS + second * 1000, 1000, values, quality)
        for second in (0, 2_200)
    ]
    slabs = [slab for frame in ends for slab in decode_slabs(encode_batch([frame]))]

    assert join_slabs(slabs) is None
    assert join_slabs(slabs[:1]) is not None
