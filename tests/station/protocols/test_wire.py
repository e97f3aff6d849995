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
from station.protocols.bundle import bundled
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
def many_readings(draw):
    """Readings of several layouts; those of one layout have one shape, as a layout has."""
    made = []
    for layout in draw(st.lists(st.text(), min_size=1, max_size=3, unique=True)):
        model = draw(st.lists(columns, min_size=1, max_size=5))
        for _ in range(draw(st.integers(1, 4))):
            values = tuple(draw(hnp.arrays(column.dtype, column.shape)) for column in model)
            quality = draw(hnp.arrays(np.uint8, sum(column.size for column in values)))
            device, time_ms, received_ms = draw(st.text()), draw(times), draw(times)
            made.append(Reading(device, layout, time_ms, received_ms, values, quality))
    return draw(st.permutations(made))


def by_layout(readings):
    return sorted(readings, key=lambda reading: reading.layout)


@given(many_readings())
def test_readings_arrive_as_they_left_each_layout_in_its_order(readings):
    frames = [wire.encode(bundle) for bundle in bundled(readings)]

    got = [reading for frame in frames for reading in wire.decode(frame).readings()]

    for one, other in zip(by_layout(readings), by_layout(got), strict=True):
        assert (other.device, other.layout) == (one.device, one.layout)
        assert (other.time_ms, other.received_ms) == (one.time_ms, one.received_ms)
        assert other.quality.tolist() == one.quality.tolist()
        for ours, theirs in zip(one.values, other.values, strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.tobytes() == theirs.tobytes()


def test_a_bundle_is_cut_before_it_is_too_long_for_a_message():
    cells = np.zeros(4096, np.int16)
    rack = Reading("R", "rack.cells/4096", 1, 2, (cells, cells), np.zeros(8192, np.uint8))

    bundles = list(bundled([rack] * 100))

    assert sum(len(bundle.devices) for bundle in bundles) == 100
    assert len(bundles) > 1
    assert all(len(wire.encode(bundle)) < wire.MAX_MESSAGE_BYTES for bundle in bundles)


def test_a_silent_rack_keeps_no_neighbours_cells_in_memory():
    cells = np.zeros(400, np.int16)
    rack = Reading("R", "rack.cells/400", 1, 2, (cells, cells), np.zeros(800, np.uint8))
    (bundle,) = bundled([rack] * 3)

    first, *_ = bundle.readings()

    assert all(column.base is None for column in first.values)
    assert first.quality.base is None


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


@given(many_readings(), st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_a_refusal_or_a_message_but_never_a_crash(readings, position, flip):
    frame = bytearray(wire.encode(next(bundled(readings))))
    frame[position % len(frame)] ^= flip

    try:
        wire.decode(bytes(frame))
    except WireError:
        return


@pytest.mark.parametrize(
    "arrays", [[["|O", 1]], [["<i8", 1]], [["<i4", -1]], [["<i4", 99]], [["<i4", "1"]], [[1, 1]]]
)
def test_arrays_outside_the_agreement_are_refused(arrays):
    fields = {"devices": [""], "layout": "", "arrays": arrays}
    header = json.dumps(["Bundle", fields]).encode()
    frame = struct.pack(">II", 4 + len(header) + 21, len(header)) + header + bytes(21)

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
