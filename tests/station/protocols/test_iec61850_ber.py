"""Decoding at once gives what decoding leaf by leaf gives, whatever a device sends."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.frame import Quality
from station.protocols.errors import BadReply
from station.protocols.iec61850.ber import Decoder, Members

LEAVES = 3
VALIDITY = (Quality.GOOD, Quality.INVALID, Quality.INVALID, Quality.QUESTIONABLE)


def element(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    head = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 0xFF])
    return bytes([tag]) + head + contents


def measured(value: float, code: int = 0, at_ms: int = 0) -> bytes:
    fraction = (at_ms % 1000 * (1 << 24) + 500) // 1000
    return element(
        0xA2,
        element(0xA2, element(0x87, b"\x08" + struct.pack(">f", value)))
        + element(0x84, b"\x03" + code.to_bytes(2, "big"))
        + element(0x91, (at_ms // 1000).to_bytes(4, "big") + fraction.to_bytes(3, "big") + b"\x0a"),
    )


def decoder(members: int = 1) -> Decoder:
    return Decoder(
        [
            way
            for n in range(members)
            for way in ((n, (0, 0), "FLOAT32"), (n, (1,), "Quality"), (n, (2,), "Timestamp"))
        ]
    )


def whole(*members: bytes) -> Members:
    return Members(element(0xA1, b"".join(members)), len(members))


def some(there: dict[int, bytes], count: int) -> Members:
    flags = bytes(n in there for n in range(count))
    return Members(b"".join(there.values()), count, flags, tuple(map(len, there.values())))


@given(
    st.lists(
        st.tuples(st.floats(width=32), st.sampled_from([0, 1, 2, 3]), st.integers(0, 2**41)),
        min_size=1,
        max_size=40,
    )
)
def test_all_members_come_out_as_they_went_in(samples):
    found = decoder(len(samples)).decode(
        whole(*(measured(value, code << 14, at_ms) for value, code, at_ms in samples))
    )

    for n, (value, code, at_ms) in enumerate(samples):
        number, quality, time = found.numbers[LEAVES * n : LEAVES * n + LEAVES]
        finite = bool(np.isfinite(value))
        assert number == (value if finite else 0.0)
        assert found.status[LEAVES * n] == (Quality.GOOD if finite else Quality.INVALID)
        assert (
            quality == [Quality.GOOD, Quality.INVALID, Quality.INVALID, Quality.QUESTIONABLE][code]
        )
        assert time == at_ms


@given(st.lists(st.booleans(), min_size=2, max_size=12), st.booleans())
def test_members_that_are_left_out_are_missing_whether_a_whole_one_was_seen_or_not(there, seen):
    decoding = decoder(len(there))
    if seen:
        decoding.decode(whole(*(measured(-1.0) for _ in there)))
    sent = {n: measured(float(n)) for n, flag in enumerate(there) if flag}

    found = decoding.decode(some(sent, len(there)))

    for n, flag in enumerate(there):
        assert found.status[LEAVES * n] == (Quality.GOOD if flag else Quality.MISSING)
        assert found.numbers[LEAVES * n] == (n if flag else 0)


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, -128, 40_000, -40_000, 2**31 - 1, -(2**31)])
def test_integers_of_every_length_are_read_whole(value):
    size = next(n for n in range(1, 9) if -(1 << 8 * n - 1) <= value < 1 << 8 * n - 1)
    decoding = Decoder([(0, (), "INT32")])
    decoding.decode(whole(element(0x85, b"\x00")))

    found = decoding.decode(whole(element(0x85, value.to_bytes(size, "big", signed=True))))

    assert found.numbers[0] == value


@pytest.mark.parametrize(
    ("sent", "basic_type", "number"),
    [
        (element(0x83, b"\x01"), "BOOLEAN", 1.0),
        (element(0x84, b"\x06\x40"), "Dbpos", 1.0),
        (element(0x84, b"\x06\x80"), "Dbpos", 2.0),
        (element(0x84, b"\x00\x80\x01"), "BitString", 32769.0),
        (element(0x86, b"\x00\xff"), "INT8U", 255.0),
        (element(0x87, b"\x0b" + struct.pack(">d", 1e300)), "FLOAT64", 1e300),
    ],
)
def test_other_types_are_numbers_too(sent, basic_type, number):
    found = Decoder([(0, (), basic_type)]).decode(whole(sent))

    assert (found.numbers[0], found.status[0]) == (number, Quality.GOOD)


@pytest.mark.parametrize("sent", [element(0x80, b"\x0a"), element(0x8A, b"text"), b"\x84\x00"])
def test_what_is_no_number_is_invalid(sent):
    found = decoder().decode(whole(element(0xA2, element(0xA2, sent))))

    assert found.status.tolist() == [Quality.INVALID, Quality.MISSING, Quality.MISSING]


def test_an_access_error_in_place_of_an_object_is_invalid_everywhere_in_it():
    found = decoder().decode(whole(element(0x80, b"\x0a")))

    assert set(found.status.tolist()) == {Quality.INVALID}


def test_the_shape_is_worked_out_once_and_again_when_a_length_changes():
    decoding = Decoder([(0, (), "INT32"), (1, (), "INT32")])
    for value in (1, 2, 3, 300, 4, 301):
        sent = value.to_bytes(1 if value < 128 else 2, "big")
        found = decoding.decode(whole(element(0x85, b"\x07"), element(0x85, sent)))
        assert found.numbers.tolist() == [7, value]

    assert decoding.worked_out == 2


def test_another_shape_of_the_same_length_is_noticed():
    decoding = Decoder([(0, (), "INT32"), (1, (), "INT32")])
    for first, second in ((1, 300), (300, 1)):
        sent = (n.to_bytes(1 if n < 128 else 2, "big") for n in (first, second))
        found = decoding.decode(whole(*(element(0x85, contents) for contents in sent)))
        assert found.numbers.tolist() == [first, second]


@given(st.binary(max_size=60))
def test_no_encoding_however_broken_does_more_than_be_refused(payload):
    try:
        found = decoder().decode(Members(payload, 1))
    except BadReply:
        return
    assert np.isfinite(found.numbers).all()
