import asyncio
import struct

import pytest

from simulator.errors import ServerStartError
from simulator.modbus.image import Image, Registers, Span, Table, bit_area
from simulator.modbus.server import ModbusServer, Refusal, Served, Unit

TIME = Span(Table.INPUT, 0, 2)


def image(tick: int, value: int) -> Image:
    r = Registers(200)
    r.u32(0, tick)
    r.u16(2, value)
    for address in range(3, 200):
        r.u16(address, value)
    return Image(tick, (r.area(Table.INPUT), bit_area(Table.DISCRETE, 0, [True, False, True])))


class Client:
    """Speaks raw frames, so that wrong ones can be sent too."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, pdu: bytes, unit: int = 1) -> bytes:
        self.writer.write(struct.pack(">HHHB", 7, 0, len(pdu) + 1, unit) + pdu)
        return await self.reply()

    async def reply(self) -> bytes:
        header = await asyncio.wait_for(self.reader.readexactly(7), 30)
        transaction, protocol, length, _ = struct.unpack(">HHHB", header)
        assert (transaction, protocol) == (7, 0)
        return await self.reader.readexactly(length - 1)

    async def read(self, start: int, count: int, function: int = 4) -> tuple[int, ...]:
        reply = await self.ask(struct.pack(">BHH", function, start, count))
        assert reply[0] == function, reply
        return struct.unpack(f">{reply[1] // 2}H", reply[2:])


@pytest.fixture
async def served():
    return []


@pytest.fixture
async def server(served):
    layouts = (
        Served("summary", (TIME,)),
        Served("cells", (Span(Table.INPUT, 10, 150), Span(Table.INPUT, 180, 190))),
    )
    unit = Unit("R1", image(100, 1), TIME, layouts)
    made = ModbusServer("TEST", {1: unit}, lambda *row: served.append(row))
    await made.start("127.0.0.1", 0)
    yield made
    await made.stop()


@pytest.fixture
async def client(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield Client(reader, writer)
    writer.close()


async def test_registers_and_bits_are_read_as_written(client):
    assert await client.read(0, 4) == (0, 100, 1, 1)
    assert await client.ask(struct.pack(">BHH", 2, 0, 3)) == bytes((2, 1, 0b101))


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (struct.pack(">BHH", 4, 0, 126), Refusal.ILLEGAL_VALUE),
        (struct.pack(">BHH", 4, 0, 0), Refusal.ILLEGAL_VALUE),
        (struct.pack(">BHH", 4, 190, 20), Refusal.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 3, 0, 1), Refusal.ILLEGAL_ADDRESS),
        (struct.pack(">BHH", 6, 0, 1), Refusal.ILLEGAL_ADDRESS),
        (struct.pack(">BHHBH", 16, 0, 2, 4, 1), Refusal.ILLEGAL_VALUE),
        (struct.pack(">BHHBH", 16, 0, 1, 3, 1), Refusal.ILLEGAL_VALUE),
        (struct.pack(">BHH", 5, 0, 0xFF00), Refusal.ILLEGAL_FUNCTION),
        (bytes((4, 0)), Refusal.ILLEGAL_VALUE),
    ],
)
async def test_a_wrong_request_gets_its_exception(client, pdu, code):
    assert await client.ask(pdu) == bytes((pdu[0] | 0x80, code))


async def test_an_unknown_unit_is_not_behind_the_gateway(client):
    reply = await client.ask(struct.pack(">BHH", 4, 0, 1), unit=9)

    assert reply == bytes((0x84, Refusal.NO_RESPONSE_BEHIND_GATEWAY))


async def test_a_frame_of_another_protocol_ends_the_connection(client):
    client.writer.write(struct.pack(">HHHB", 7, 5, 6, 1) + b"12345")

    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.reply()


async def test_a_request_in_two_pieces_and_two_in_one_are_answered(client):
    frame = struct.pack(">HHHBBHH", 7, 0, 6, 1, 4, 2, 1)
    client.writer.write(frame[:5])
    await client.writer.drain()
    client.writer.write(frame[5:] + frame)

    assert await client.reply() == await client.reply() == bytes((4, 2, 0, 1))


async def test_reads_after_the_device_time_come_from_its_tick_until_it_is_read_again(
    client, server
):
    assert (await client.read(0, 3))[2] == 1
    server.publish([(1, image(101, 2))])

    assert await client.read(10, 1) == (1,)
    assert await client.read(0, 3) == (0, 101, 2)
    assert await client.read(10, 1) == (2,)


async def test_reading_the_device_time_takes_the_newest_image_of_the_same_tick_too(client, server):
    assert await client.read(0, 3) == (0, 100, 1)
    server.publish([(1, image(100, 5))])

    assert await client.read(10, 1) == (1,)
    assert await client.read(0, 3) == (0, 100, 5)
    assert await client.read(10, 1) == (5,)


async def test_a_layout_is_served_when_all_of_it_was_read_and_the_client_went_on(
    client, server, served
):
    await client.read(0, 2)
    await client.read(10, 100)
    await client.read(100, 60)
    await client.read(180, 10)
    assert ("R1", "summary", 100) in served
    assert ("R1", "cells", 100) not in served

    await client.read(5, 1)

    assert ("R1", "cells", 100) in served


async def test_a_layout_read_half_in_one_tick_and_half_in_the_next_is_not_served(
    client, server, served
):
    await client.read(0, 2)
    await client.read(10, 125)
    server.publish([(1, image(101, 2))])
    await client.read(0, 2)
    await client.read(135, 55)
    await client.read(5, 1)

    assert not [row for row in served if row[1] == "cells"]


async def test_a_silent_device_keeps_the_connection_and_answers_again_later(client, server):
    server.units[1].silent = True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.read(0, 1), 0.2)
    server.units[1].silent = False

    assert await client.read(2, 1) == (1,)


async def test_a_device_that_went_down_comes_back_on_its_port(client, server):
    port = server.port
    await server.stop()
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)
    await server.resume()

    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    assert server.port == port


async def test_a_taken_port_is_named(server):
    other = ModbusServer("OTHER", {}, lambda *_: None)

    with pytest.raises(ServerStartError, match=f"OTHER.*{server.port}"):
        await other.start("127.0.0.1", server.port)
