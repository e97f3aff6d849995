import asyncio
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from station.processes import WireError
from station.protocols import wire
from station.protocols.driver import (
    Accepted,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    DriverSetup,
    FastHealth,
    FastReading,
    MissedReading,
    Reading,
    Refused,
    ResumePoint,
    TimedOut,
)

times = st.integers(0, 2**53)
columns = st.one_of(
    *(hnp.arrays(dtype, st.integers(1, 50)) for dtype in ("|i1", "<i2", "<i4", "<f4"))
)


@st.composite
def readings(draw):
    values = tuple(draw(st.lists(columns, min_size=1, max_size=5)))
    width = sum(column.size for column in values)
    quality = draw(hnp.arrays(np.uint8, width))
    return Reading(draw(st.text()), draw(st.text()), draw(times), draw(times), values, quality)


@given(readings())
def test_a_reading_arrives_as_it_left(reading):
    got = wire.decode(wire.encode(reading))

    assert isinstance(got, Reading)
    assert (got.device, got.layout) == (reading.device, reading.layout)
    assert (got.time_ms, got.received_ms) == (reading.time_ms, reading.received_ms)
    assert got.quality.tolist() == reading.quality.tolist()
    for ours, theirs in zip(reading.values, got.values, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    "message",
    [
        MissedReading("C1-R03", "rack.cells/416", 1_700_000_000_000, "torn", "the clock moved on"),
        DeviceStatus("C1-PCS", connected=True, reason="answers", since_ms=1),
        ResumePoint("C1-PCS/LLN0.BR.brMeas", "00ff"),
        DeviceCommand("id", "C1-PCS", "active_power_setpoint_kw", -12.5, 9),
        Accepted("id", 1),
        Refused("id", 1, "阻断"),
        TimedOut("id", 1, "why"),
        DriverSetup("modbus", (DeviceSpec("a", "p", "h", 1, 2, "i", "m"),), {"k": "t"}),
        FastReading("METER", "meter", 1000, 1050, {"frequency_hz": 49.98, "active_power_kw": -1.0}),
        FastHealth("METER", True, 1200, 3, 1.5, 7.25, 0.5),
        wire.Heartbeat(3),
        wire.Close(),
        wire.Failed("why"),
    ],
)
def test_every_other_message_arrives_as_it_left(message):
    assert wire.decode(wire.encode(message)) == message


def test_a_fast_value_that_is_not_known_arrives_as_not_known():
    sent = FastReading("METER", "meter", 1, 2, {"frequency_hz": math.nan, "active_power_kw": 3.5})

    got = wire.decode(wire.encode(sent))

    assert isinstance(got, FastReading)
    assert math.isnan(got.values["frequency_hz"])
    assert got.values["active_power_kw"] == 3.5


@given(st.binary(max_size=200))
@example(b"")
@example(struct.pack(">II", 4, 0))
@example(struct.pack(">II", 6, 2) + b"[]")
def test_foreign_bytes_are_refused_and_nothing_else(data):
    with pytest.raises(WireError):
        wire.decode(data)


@given(readings(), st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_a_refusal_or_a_message_but_never_a_crash(reading, position, flip):
    frame = bytearray(wire.encode(reading))
    frame[position % len(frame)] ^= flip

    try:
        wire.decode(bytes(frame))
    except WireError:
        return


@pytest.mark.parametrize(
    "arrays", [[["|O", 1]], [["<i8", 1]], [["<i4", -1]], [["<i4", 99]], [["<i4", "1"]], [[1, 1]]]
)
def test_arrays_outside_the_agreement_are_refused(arrays):
    fields = {"device": "", "layout": "", "time_ms": 0, "received_ms": 0, "arrays": arrays}
    header = json.dumps(["Reading", fields]).encode()
    frame = struct.pack(">II", 4 + len(header) + 5, len(header)) + header + bytes(5)

    with pytest.raises(WireError):
        wire.decode(frame)


async def test_a_stream_that_ends_in_mid_frame_is_an_end_not_an_error():
    reader = asyncio.StreamReader()
    frame = wire.encode(wire.Heartbeat(1))
    reader.feed_data(frame + frame[:-3])
    reader.feed_eof()

    assert await wire.receive(reader) == wire.Heartbeat(1)
    assert await wire.receive(reader) is None


async def test_an_oversized_announcement_is_refused_before_anything_is_read():
    reader = asyncio.StreamReader()
    reader.feed_data(struct.pack(">II", wire.MAX_MESSAGE_BYTES + 1, 0))

    with pytest.raises(WireError, match="announces"):
        await wire.receive(reader)
