from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import layouts
from contract.errors import FrameError, FrameTooLargeError
from contract.frame import Frame, Quality, decode, encode, merge
from tests.contract.strategies import frames

STEP_MS = 1000


@st.composite
def pieces(draw, most=4):
    """Frames of one device on one grid, in any order, with overlaps and gaps."""
    layout = draw(st.sampled_from([layouts.INSULATION, layouts.FIRE, layouts.cells_layout(3)]))
    starts = draw(st.lists(st.integers(0, 30), min_size=1, max_size=most))
    return [
        draw(
            frames(
                layout=layout,
                device="C1-X",
                n=draw(st.integers(1, 10)),
                t0_ms=50_000 + STEP_MS * start,
                step_ms=STEP_MS,
            )
        )
        for start in starts
    ]


def as_model(parts: list[Frame]) -> dict[tuple[int, int], tuple[object, int]]:
    """The rule in slow words: (time, value number) -> (raw bits, quality), last one wins."""
    model: dict[tuple[int, int], tuple[object, int]] = {}
    for frame in parts:
        flat = np.concatenate(frame.values, axis=1)
        for row in range(frame.n):
            for number in range(frame.layout.width):
                quality = int(frame.quality[row, number])
                key = (frame.t0_ms + row * frame.step_ms, number)
                if quality != Quality.MISSING:
                    model[key] = (flat[row, number].tobytes(), quality)
    return model


@settings(max_examples=60)
@given(pieces())
def test_the_last_argument_wins_and_gaps_are_missing(parts):
    merged = merge(parts)

    assert as_model([merged]) == as_model(parts)
    assert merged.t0_ms == min(f.t0_ms for f in parts)
    assert merged.end_ms == max(f.end_ms for f in parts)


@given(pieces(most=1))
def test_merging_one_frame_changes_nothing(parts):
    assert merge(parts) == parts[0]


@given(pieces(most=1))
def test_merging_a_frame_with_itself_changes_nothing(parts):
    assert merge([parts[0], parts[0]]) == parts[0]


@settings(max_examples=60)
@given(pieces(most=5), st.integers(0, 5))
def test_merging_in_steps_gives_the_same_as_merging_at_once(parts, at):
    head, tail = parts[:at], parts[at:]
    steps = [merge(side) for side in (head, tail) if side]

    assert as_model([merge(steps)]) == as_model([merge(parts)])


@given(frames(layout=layouts.RACK, n=24, step_ms=STEP_MS), st.lists(st.integers(1, 23), max_size=4))
def test_a_frame_cut_into_pieces_merges_back_to_itself(frame, cuts):
    edges = [0, *sorted(set(cuts)), frame.n]
    parts = [
        frame.between(frame.t0_ms + a * STEP_MS, frame.t0_ms + b * STEP_MS)
        for a, b in pairwise(edges)
    ]

    assert as_model([merge([p for p in parts if p])]) == as_model([frame])


@given(pieces())
def test_a_merged_frame_survives_the_codec(parts):
    merged = merge(parts)

    assert decode(encode(merged)) == merged


def test_jitter_stays_with_its_row_and_is_zero_where_nobody_had_any():
    def piece(t0_ms: int, jitter: list[int] | None) -> Frame:
        zeros = tuple(np.zeros((2, 1), dtype="i4") for _ in range(3))
        quality = np.zeros((2, 3), dtype="u1")
        array = None if jitter is None else np.array(jitter, dtype="i2")
        return Frame("D", layouts.INSULATION, t0_ms, 1000, zeros, quality, array)

    merged = merge([piece(0, [7, 8]), piece(1000, [9, 10]), piece(5000, None)])

    assert merged.jitter_ms is not None
    assert merged.jitter_ms.tolist() == [7, 9, 10, 0, 0, 0, 0]
    assert merge([piece(0, None), piece(2000, None)]).jitter_ms is None


def make(device="D", layout=layouts.FIRE, t0_ms=0, step_ms=1000) -> Frame:
    values = tuple(np.zeros((1, c.repeat), dtype=c.signal.dtype) for c in layout.columns)
    return Frame(device, layout, t0_ms, step_ms, values, np.zeros((1, layout.width), dtype="u1"))


@pytest.mark.parametrize(
    "other",
    [
        make(device="E"),
        make(layout=layouts.INSULATION),
        make(step_ms=2000),
        make(t0_ms=1500),
    ],
)
def test_frames_that_do_not_belong_together_are_refused(other):
    with pytest.raises(FrameError):
        merge([make(), other])


def test_nothing_cannot_be_merged():
    with pytest.raises(FrameError, match="nothing"):
        merge([])


def test_two_far_apart_frames_do_not_take_the_memory_between_them():
    with pytest.raises(FrameTooLargeError):
        merge([make(), make(t0_ms=10**12)])
