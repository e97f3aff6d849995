"""Several questions under way on one connection, and replies in whatever order and pieces."""

import asyncio
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.modbus.client import Connection, DeviceRefused
from station.protocols.modbus.mbap import reading, take_reply, writing
from station.protocols.modbus.place import Space
from tests.station.protocols.modbus_server import HANG, Bank, ModbusServer, mbap

TIMEOUT_S = 5.0
SHORT_S = 0.25


@pytest.fixture
async def server():
    bank = Bank(size=2000)
    bank.write(3, 0, *range(1000))
    async with ModbusServer({1: bank, 2: bank}) as server:
        yield server


@pytest.fixture
async def connection(server):
    connection = Connection("127.0.0.1", server.port, in_flight=4)
    await connection.connect(10.0)
    yield connection
    connection.close()


def questions(count=8, size=100, unit=1):
    return [reading(unit, Space.HOLDING, n * size, size, n * size) for n in range(count)]


async def test_many_questions_are_under_way_at_once_and_all_values_find_their_places(
    server, connection
):
    registers, most, held = np.zeros(800, np.uint16), [], []

    def backwards(request, reply):
        held.append(reply)
        most.append(len(held))
        if len(held) < 4:
            return HANG
        replies = b"".join(reversed(held))
        held.clear()
        return replies

    server.behaviour = backwards
    await connection.ask(questions(), registers, TIMEOUT_S)

    assert registers.tolist() == list(range(800))
    assert max(most) == 4


async def test_one_question_at_a_time_is_asked_where_the_device_wants_it(server):
    registers, waiting = np.zeros(800, np.uint16), []
    connection = Connection("127.0.0.1", server.port)
    await connection.connect(10.0)

    def note(request, reply):
        waiting.append(connection.load)
        return reply

    server.behaviour = note
    await connection.ask(questions(), registers, TIMEOUT_S)
    connection.close()

    assert registers.tolist() == list(range(800))
    assert waiting == [2] * 7 + [1]  # the one under way, and those that wait
    assert [r.transaction for r in server.requests] == list(range(1, 9))


async def test_a_foreign_transaction_costs_the_connection_and_every_question_on_it(
    server, connection
):
    registers = np.zeros(800, np.uint16)
    server.behaviour = lambda r, reply: (
        mbap(r.transaction + 500, r.unit, reply[7:]) if r.address == 200 else HANG
    )
    with pytest.raises(BadReply, match="of another"):
        await connection.ask(questions(), registers, TIMEOUT_S)

    assert not connection.connected
    assert not registers.any()


async def test_a_refusal_ends_what_was_wanted_together_and_nothing_else(server, connection):
    first = connection.ask(questions(), np.zeros(800, np.uint16), TIMEOUT_S)
    wrong = connection.ask(
        [reading(1, Space.HOLDING, 1990, 20), *questions()], np.zeros(800, np.uint16), TIMEOUT_S
    )

    await first
    with pytest.raises(DeviceRefused, match="illegal data address"):
        await wrong
    assert connection.connected
    assert (await connection.read(1, Space.HOLDING, 5, 1, TIMEOUT_S)).tolist() == [5]


async def test_what_comes_after_it_was_given_up_changes_no_register(server, connection):
    registers, held = np.zeros(800, np.uint16), []

    def late(request, reply):
        held.append(reply)
        return HANG if len(held) <= 4 else b"".join(held)

    server.behaviour = late
    with pytest.raises(DeviceUnreachable, match="in time"):
        await connection.ask(questions(4), registers, SHORT_S)
    value = await connection.read(1, Space.HOLDING, 900, 2, TIMEOUT_S)

    assert value.tolist() == [900, 901]
    assert not registers.any()


async def test_a_gateways_word_for_a_silent_device_is_silence(server, connection):
    with pytest.raises(DeviceRefused) as caught:
        await connection.read(9, Space.HOLDING, 0, 1, TIMEOUT_S)

    assert caught.value.code == 11
    assert caught.value.is_silence


async def test_replies_in_single_bytes_and_two_in_one_piece_are_understood():
    async def drip(reader, writer):
        pending = b""
        while True:
            request = await reader.read(12)
            if not request:
                break
            transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", request)
            data = struct.pack(f">{count}H", *range(address, address + count))
            pending += mbap(transaction, unit, bytes([function, len(data)]) + data)
            if transaction % 3 == 0:
                for byte in pending:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0)
                pending = b""
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    connection = Connection("127.0.0.1", server.sockets[0].getsockname()[1], in_flight=3)
    await connection.connect(10.0)
    registers = np.zeros(60, np.uint16)
    await connection.ask(
        [reading(1, Space.INPUT, n * 10, 10, n * 10) for n in range(6)], registers, TIMEOUT_S
    )
    connection.close()
    server.close()

    assert registers.tolist() == list(range(60))


async def test_no_question_is_lost_when_the_connection_is(server, connection):
    server.behaviour = lambda r, reply: HANG
    asked = [connection.ask(questions(), None, TIMEOUT_S) for _ in range(3)]
    connection.close()

    ends = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(end) for end in ends] == [DeviceUnreachable] * 3
    with pytest.raises(DeviceUnreachable, match="no connection"):
        await connection.read(1, Space.HOLDING, 0, 1, TIMEOUT_S)


words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)


@given(words, st.integers(0, 255), st.integers(0, 300))
def test_what_a_device_sends_is_what_is_read(values, unit, start):
    question = reading(unit, Space.INPUT, 7, len(values), start)
    into = np.zeros(start + len(values) + 3, np.uint16)
    data = struct.pack(f">{len(values)}H", *values)
    frame = bytearray(b"junk" + mbap(1, unit, bytes([4, len(data)]) + data))

    take_reply(question, frame, 4, len(data) + 3, unit, 4, into)

    assert into[start : start + len(values)].tolist() == values
    assert not into[:start].any()
    assert not into[start + len(values) :].any()


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_bits_come_as_they_were_packed(bits):
    question = reading(1, Space.COIL, 0, len(bits))
    into = np.full(len(bits), 7, np.uint16)
    data = np.packbits(np.array(bits), bitorder="little").tobytes()

    take_reply(
        question, bytearray(mbap(1, 1, bytes([1, len(data)]) + data)), 0, len(data) + 3, 1, 1, into
    )

    assert into.astype(bool).tolist() == bits


@given(words, st.integers(0, 252), st.binary(min_size=1, max_size=4))
def test_a_damaged_reply_is_never_taken(values, at, noise):
    question = reading(1, Space.INPUT, 7, len(values))
    data = struct.pack(f">{len(values)}H", *values)
    pdu = bytearray(bytes([1, 4, len(data)]) + data)
    head = pdu[:3]
    pdu[at % 3 : at % 3 + 1] = noise
    frame = bytearray(struct.pack(">HHH", 1, 0, len(pdu))) + pdu
    into = np.zeros(len(values), np.uint16)

    if len(noise) == 1 and pdu[:3] == head:
        take_reply(question, frame, 0, len(pdu), frame[6], frame[7], into)
        assert into.tolist() == values
    else:
        with pytest.raises(ProtocolError):
            take_reply(question, frame, 0, len(pdu), frame[6], frame[7], into)
        assert not into.any()


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123))
def test_a_write_carries_its_values_and_its_length(values):
    body = writing(3, Space.HOLDING, 9, values, single=False).body

    _, length, unit, function, address, count, size = struct.unpack_from(">HHBBHHB", body)
    assert (length, unit, function, address) == (len(body) - 4, 3, 16, 9)
    assert (count, size) == (len(values), 2 * len(values))
    assert list(struct.unpack(f">{count}H", body[11:])) == values
