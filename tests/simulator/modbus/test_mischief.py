import struct

import pytest

from simulator.modbus.image import Image, Registers, Span, Table
from simulator.modbus.mischief import Mischief, Outbox, spoiled, with_clock_off
from tests.waiting import wait_for

REPLY = bytes((4, 4, 1, 2, 3, 4))
"""Two input registers."""


@pytest.mark.parametrize(
    ("mischief", "frame"),
    [
        (Mischief(), "0007 0000 0007 02 0404 01020304"),
        (Mischief(registers_missing=1), "0007 0000 0005 02 0402 0102"),
        (Mischief(registers_missing=9), "0007 0000 0003 02 0400"),
        (Mischief(bytes_missing=3), "0007 0000 0007 02 0404 01"),
        (Mischief(bytes_missing=99), "00"),
        (Mischief(wrong_transaction=True), "0008 0000 0007 02 0404 01020304"),
        (Mischief(exception=6), "0007 0000 0003 02 8406"),
    ],
)
def test_a_reply_is_spoiled_as_said(mischief, frame):
    assert spoiled(mischief, 7, 2, REPLY) == bytes.fromhex(frame)


def test_transaction_numbers_begin_anew_after_the_last():
    assert spoiled(Mischief(wrong_transaction=True), 0xFFFF, 1, REPLY)[:2] == b"\0\0"


@pytest.mark.parametrize("low_first", [False, True])
@pytest.mark.parametrize("offset_s", [3600, -3600, 70_000])
def test_a_clock_that_is_off_changes_nothing_but_the_clock(low_first, offset_s):
    r = Registers(5)
    r.u32(1, 1_800_000_000, low_word_first=low_first)
    r.u16(3, 77)
    clock = Span(Table.INPUT, 1, 3, low_word_first=low_first)

    moved = with_clock_off(Image(5, (r.area(Table.INPUT),)), clock, offset_s)

    words = struct.unpack(">5H", moved.areas[0].data)
    low, high = words[1:3] if low_first else (words[2], words[1])
    assert (high << 16 | low) == 1_800_000_000 + offset_s
    assert (words[0], *words[3:]) == (0xFFFF, 77, 0xFFFF)
    assert moved.tick == 5


async def test_what_comes_after_a_late_frame_waits_for_it():
    written: list[bytes] = []
    outbox = Outbox(written.append)

    outbox.send(b"at once")
    outbox.flush()
    outbox.send(b"late", 0.02)
    outbox.send(b"after it")
    outbox.flush()
    assert written == [b"at once"]
    await wait_for(lambda: len(written) > 1, "the late frame")

    assert b"".join(written[1:]) == b"lateafter it"
