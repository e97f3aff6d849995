"""What a server may answer, and that nothing but the right answer gets through."""

import struct

import pytest

from station.protocols.errors import BadReply, DeviceUnreachable
from station.protocols.modbus.client import Connection, DeviceRefused
from station.protocols.modbus.profile import Space
from tests.station.protocols.modbus_server import CLOSE, HANG, Bank, ModbusServer, mbap

TIMEOUT_S = 10.0
SILENT_S = 0.25  # where no good answer comes


@pytest.fixture
async def server():
    bank = Bank(size=2000)
    bank.write(3, 0, *range(100, 110))
    bank.write(2, 0, 1, 0, 1)
    async with ModbusServer({1: bank}) as server:
        yield server


@pytest.fixture
async def connection(server):
    connection = Connection("127.0.0.1", server.port)
    await connection.connect(10.0)
    yield connection
    connection.close()


async def read(connection, count=10, timeout_s=TIMEOUT_S):
    return (await connection.read(1, Space.HOLDING, 0, count, timeout_s)).tolist()


async def test_registers_and_bits_arrive_as_they_lie(connection):
    assert await read(connection) == list(range(100, 110))
    assert (await connection.read(1, Space.DISCRETE, 0, 3, TIMEOUT_S)).tolist() == [1, 0, 1]


async def test_writes_are_confirmed_and_take_effect(server, connection):
    await connection.write(1, Space.HOLDING, 20, [1, 2, 3], TIMEOUT_S)
    await connection.write(1, Space.HOLDING, 23, [4], TIMEOUT_S, single=True)
    await connection.write(1, Space.COIL, 7, [1], TIMEOUT_S, single=True)
    await connection.write(1, Space.COIL, 8, [1, 0, 1], TIMEOUT_S)

    assert server.banks[1].registers[3][20:24].tolist() == [1, 2, 3, 4]
    assert server.banks[1].registers[1][7:11].tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    "reply",
    [
        lambda r, _: mbap(r.transaction, r.unit, bytes([3, 18]) + bytes(18)),  # one too few
        lambda r, _: mbap(r.transaction, r.unit, bytes([3, 22]) + bytes(22)),  # one too many
        lambda r, _: mbap(r.transaction, r.unit, bytes([3, 10]) + bytes(20)),  # count lies
        lambda r, _: mbap(r.transaction, r.unit, bytes([3, 40]) + bytes(20)),  # count lies
        lambda r, _: mbap(r.transaction, r.unit, bytes([4, 20]) + bytes(20)),  # other function
        lambda r, _: mbap(r.transaction, r.unit, bytes([0x84, 2])),  # other function's exception
        lambda r, _: mbap(r.transaction, r.unit, struct.pack(">BHH", 16, 0, 10)),
        lambda r, _: mbap(r.transaction, r.unit, bytes([3])),  # no data at all
        lambda r, _: mbap(r.transaction, r.unit + 1, bytes([3, 20]) + bytes(20)),
        lambda r, _: mbap(r.transaction + 7, r.unit, bytes([3, 20]) + bytes(20)),
        lambda r, _: b"\xde\xad\xbe\xef" * 20,
        lambda r, reply: reply[:2] + b"\x00\x09" + reply[4:],  # protocol id
        lambda r, reply: reply[:4] + b"\xff\xff" + reply[6:],  # length field
        lambda r, _: HANG,
        lambda r, _: CLOSE,
    ],
    ids=[
        "one register too few", "one register too many", "byte count too small",
        "byte count too large", "other function", "exception of another function",
        "reply of a write", "no data", "other unit", "other transaction", "garbage",
        "other protocol", "wrong length", "silence", "close",
    ],
)  # fmt: skip
async def test_a_wrong_answer_never_becomes_a_value_and_the_next_connection_is_clean(
    server, connection, reply
):
    server.behaviour = reply

    with pytest.raises((BadReply, DeviceUnreachable)):
        await read(connection, timeout_s=SILENT_S)

    server.behaviour = None
    if not connection.connected:
        await connection.connect(10.0)
    assert await read(connection) == list(range(100, 110))


async def test_a_late_answer_is_not_taken_for_the_next_questions(server, connection):
    held = []

    def late(request, reply):
        held.append(reply)
        return HANG if len(held) == 1 else held[0] + reply

    server.behaviour = late
    with pytest.raises(DeviceUnreachable):
        await read(connection, 10, SILENT_S)

    assert await read(connection, 5) == list(range(100, 105))


async def test_a_doubled_reply_is_understood(server, connection):
    server.behaviour = lambda r, reply: reply * 2

    assert await read(connection) == list(range(100, 110))
    assert await read(connection, 4) == list(range(100, 104))


async def test_an_exception_is_a_refusal_with_words(connection):
    with pytest.raises(DeviceRefused, match="illegal data address") as caught:
        await connection.read(1, Space.HOLDING, 1995, 10, TIMEOUT_S)

    assert caught.value.code == 2
    assert connection.connected


async def test_a_write_confirmed_for_another_address_is_not_confirmed(server, connection):
    server.behaviour = lambda r, _: mbap(r.transaction, r.unit, struct.pack(">BHH", 16, 21, 1))

    with pytest.raises(BadReply):
        await connection.write(1, Space.HOLDING, 20, [5], TIMEOUT_S)


@pytest.mark.parametrize(
    ("space", "echo", "words"),
    [
        (Space.HOLDING, struct.pack(">BHH", 6, 20, 400), "confirms 400 instead of 500"),
        (Space.COIL, struct.pack(">BHH", 5, 20, 0), "confirms 0 instead of 65280"),
        (Space.HOLDING, struct.pack(">BHH", 6, 21, 500), "another write"),
    ],
)
async def test_a_single_write_is_confirmed_by_its_own_value_and_no_other(
    server, connection, space, echo, words
):
    server.behaviour = lambda r, _: mbap(r.transaction, r.unit, echo)

    with pytest.raises(BadReply, match=words):
        await connection.write(1, space, 20, [500], TIMEOUT_S, single=True)


async def test_nobody_listening_is_unreachable(server):
    await server.stop()

    with pytest.raises(DeviceUnreachable, match="accepts no connection"):
        await Connection("127.0.0.1", server.port).connect(10.0)
