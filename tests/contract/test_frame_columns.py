"""Reading some signals of a frame, and the archive form in which each column stands alone."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import layouts
from contract.errors import ContractError, FrameError
from contract.frame import (
    Frame,
    Quality,
    decode,
    decode_batch,
    encode,
    encode_batch,
    encode_columnar,
    merge,
)
from tests.contract.strategies import ODD, frames


@given(frames())
def test_the_archive_form_gives_back_what_was_encoded(frame):
    assert decode(encode_columnar(frame, 3)) == frame


@settings(max_examples=40)
@given(frames(layout=ODD))
def test_every_dtype_survives_the_archive_form(frame):
    assert decode(encode_columnar(frame, 3)) == frame


@settings(max_examples=60)
@given(st.data())
def test_chosen_signals_are_those_of_the_whole_frame(data):
    frame = data.draw(frames())
    every = [column.signal.name for column in frame.layout.columns]
    names = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    blob = data.draw(st.sampled_from([encode(frame), encode_columnar(frame, 3)]))

    (part,) = decode_batch(blob, select=lambda _device, _layout: names)

    assert [c.signal.name for c in part.layout.columns] == [n for n in every if n in names]
    np.testing.assert_array_equal(part.times_ms, frame.times_ms)
    np.testing.assert_array_equal(part.present, frame.present)
    for name in names:
        np.testing.assert_array_equal(part.physical(name), frame.physical(name))
        np.testing.assert_array_equal(part.quality_of(name), frame.quality_of(name))


@settings(max_examples=30)
@given(st.lists(frames(), min_size=1, max_size=6))
def test_frames_that_are_not_chosen_are_left_out_and_do_not_disturb_the_others(batch):
    chosen = {frame.device for frame in batch[::2]}

    def select(device, layout):
        return [c.signal.name for c in layout.columns] if device in chosen else None

    found = decode_batch(encode_batch(batch), select=select)

    assert found == [frame for frame in batch if frame.device in chosen]


def test_a_sample_stays_a_sample_where_only_the_chosen_signal_is_missing():
    quality = np.zeros((3, 3), dtype="u1")
    quality[1, 0] = Quality.MISSING
    quality[2, :] = Quality.MISSING
    values = tuple(np.arange(3, dtype="i4")[:, None] for _ in range(3))
    frame = Frame("C1-IMD", layouts.INSULATION, 0, 1000, values, quality)
    name = layouts.INSULATION.columns[0].signal.name

    (part,) = decode_batch(encode_columnar(frame, 3), select=lambda _d, _l: [name])
    joined = merge([part, part.between(0, 1000)])

    assert part.present.tolist() == [True, True, False]
    assert joined.present.tolist() == [True, True, False]
    assert np.isnan(part.physical(name)[1:, 0]).all()


@settings(max_examples=150)
@given(frames(), st.data())
def test_a_flipped_bit_anywhere_in_the_archive_form_is_noticed(frame, data):
    blob = bytearray(encode_columnar(frame, 3))
    place = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[place // 8] ^= 1 << place % 8

    with pytest.raises(ContractError):
        decode(bytes(blob))


@settings(max_examples=150)
@given(frames(), st.data())
def test_an_archive_form_with_a_right_checksum_and_wrong_bytes_is_refused_or_valid(frame, data):
    blob = bytearray(encode_columnar(frame, 3)[:-4])
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(9, len(blob) - 1))] = data.draw(st.integers(0, 255))
    whole = bytes(blob) + zlib.crc32(blob).to_bytes(4, "little")

    try:
        found = decode_batch(whole)
    except ContractError:
        return
    assert all(isinstance(one, Frame) for one in found)


@settings(max_examples=60)
@given(frames(), st.data())
def test_a_truncated_archive_form_is_refused(frame, data):
    blob = encode_columnar(frame, 3)

    with pytest.raises(FrameError):
        decode(blob[: data.draw(st.integers(0, len(blob) - 1))])
