import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import layouts
from contract.codec import wire
from contract.errors import ContractError, FrameCorruptError, FrameError, FrameVersionError
from contract.frame import Frame, decode_batch, encode, encode_batch, peek_batch
from tests.contract.make_corpus import CORPUS, bombs, valid_frames, with_checksum
from tests.contract.strategies import frames

FILES = sorted(CORPUS.glob("*.bin"))
HOSTILE = [p for p in FILES if not p.name.startswith("valid-")]
MEMORY_LIMIT = 64 << 20
"""A decoder of a small input that is refused must not have taken more than this."""


def read_all(blob: bytes) -> list[Frame] | None:
    """Decode and peek; None when refused. Anything but a ContractError is a failure."""
    try:
        peek_batch(blob)
        return decode_batch(blob)
    except ContractError:
        return None


def test_the_corpus_holds_every_kind_of_file():
    kinds = {p.name.split("-")[0] for p in FILES}

    assert kinds == {"valid", "broken", "bomb"}


@pytest.mark.parametrize("name", sorted(valid_frames()))
def test_frames_written_by_version_1_are_readable_for_ever(name):
    blob = (CORPUS / f"{name}.bin").read_bytes()

    assert decode_batch(blob) == valid_frames()[name]


@pytest.mark.parametrize("path", HOSTILE, ids=lambda p: p.stem)
def test_hostile_input_is_refused_without_taking_memory(path: Path):
    blob = path.read_bytes()
    tracemalloc.start()

    try:
        with pytest.raises(ContractError) as caught:
            decode_batch(blob)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < MEMORY_LIMIT
    assert str(caught.value)


def test_the_bombs_of_the_corpus_are_those_of_its_maker():
    for name, blob in bombs().items():
        if "zeros" not in name:  # compressed by whatever zstd is installed
            assert (CORPUS / f"{name}.bin").read_bytes() == blob


@settings(max_examples=300)
@given(st.sampled_from(FILES), st.data())
def test_mutations_of_the_corpus_are_refused_or_give_valid_frames(path, data):
    blob = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        if not blob:
            break
        at = data.draw(st.integers(0, min(len(blob), 400) - 1))
        match data.draw(st.sampled_from(["flip", "set", "cut", "insert", "double"])):
            case "flip":
                blob[at] ^= 1 << data.draw(st.integers(0, 7))
            case "set":
                blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
            case "cut":
                del blob[at : at + data.draw(st.integers(1, 8))]
            case "insert":
                blob[at:at] = data.draw(st.binary(max_size=8))
            case "double":
                blob[at:at] = blob[at : at + 16]
    hostile = with_checksum(bytes(blob)) if data.draw(st.booleans()) else bytes(blob)

    found = read_all(hostile)

    assert found is None or decode_batch(encode_batch(found)) == found


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_noise_is_refused(noise, checked):
    assert read_all(with_checksum(b"\1" + noise + bytes(4)) if checked else noise) is None


@given(frames(n=5), st.data())
def test_a_flipped_bit_anywhere_is_noticed(frame, data):
    blob = bytearray(encode(frame))
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8

    assert read_all(bytes(blob)) is None


@given(frames(n=5), st.data())
def test_a_truncated_frame_is_refused(frame, data):
    blob = encode(frame)
    length = data.draw(st.integers(0, len(blob) - 1))

    assert read_all(blob[:length]) is None


def test_bytes_after_the_end_are_refused():
    blob = encode(valid_frames()["valid-cells"][0])
    longer = blob + b"\0"

    assert read_all(longer) is None
    assert read_all(with_checksum(longer)) is None


def test_a_later_version_is_named_with_the_remedy():
    blob = with_checksum(b"\3" + encode(valid_frames()["valid-cells"][0])[1:])

    with pytest.raises(FrameVersionError, match=r"version 3.*update"):
        decode_batch(blob)


def test_wrong_values_for_a_right_layout_are_refused():
    good = layouts.FIRE
    liar = layouts.INSULATION

    with pytest.raises(FrameError):
        decode_batch(encode(valid_frames()["valid-cells"][0]), lambda _: liar)
    assert good.hash8 != liar.hash8


def test_the_largest_batch_that_is_accepted_stays_within_bounded_memory():
    """The limits allow 8.4 million values; decoding them must cost some bytes a value, no more."""
    n = 10_000
    values = tuple(np.zeros((n, 400), dtype="i2") for _ in range(2))
    frame = Frame("R", layouts.cells_layout(400), 0, 1000, values, np.zeros((n, 800), dtype="u1"))
    blob = encode(frame)
    assert len(blob) < 2000
    tracemalloc.start()

    try:
        decode_batch(blob)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 16 * n * 800


class TestDecompression:
    def test_only_exactly_the_expected_size_is_accepted(self):
        packed = wire.compress([b"abc" * 100], 3)

        assert wire.decompress(packed, 300) == b"abc" * 100
        for size in (0, 299, 301, 1 << 50):
            with pytest.raises(FrameCorruptError):
                wire.decompress(packed, size)

    def test_a_second_stream_after_the_first_is_refused(self):
        packed = wire.compress([b"abc" * 100], 3)

        with pytest.raises(FrameCorruptError):
            wire.decompress(packed + packed, 300)

    @given(st.binary(max_size=100), st.integers(0, 1000))
    def test_noise_is_refused(self, noise, size):
        with pytest.raises(FrameCorruptError):
            wire.decompress(noise, size)


@given(st.integers(0, 2**62))
def test_a_number_of_variable_length_survives(number):
    assert wire.Reader(wire.varint(number)).varint(2**62) == number


@given(st.integers(-(2**50), 2**50))
def test_a_signed_number_of_variable_length_survives(number):
    assert wire.Reader(wire.signed_varint(number)).signed_varint(2**50) == number


def test_a_number_over_its_limit_is_refused():
    with pytest.raises(FrameCorruptError, match="limit of 99"):
        wire.Reader(wire.varint(100)).varint(99)


def test_checksums_in_this_file_are_those_of_the_codec():
    blob = encode(valid_frames()["valid-cells"][0])

    assert with_checksum(blob) == blob
    assert int.from_bytes(blob[-4:], "little") == zlib.crc32(blob[:-4])
