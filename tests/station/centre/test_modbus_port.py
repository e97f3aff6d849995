"""The dispatch centre's port with real clients over TCP."""

import asyncio
import contextlib
import math
import struct
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.simulator import DataType, SimData, SimDevice

from station.centre import (
    CentreState,
    CentreUnavailable,
    CentreView,
    ModbusCentre,
    PortSettings,
)
from station.centre.guarded_server import GuardedServer
from station.centre.requests import ENABLE, POWER, Refusal
from station.centre.table import SIZE
from tests.station.centre.test_requests import pair, whole
from tests.waiting import wait_for

VIEW = CentreView(
    time_ms=1_790_000_000_500,
    power_kw=-812.5,
    reactive_kvar=33.1,
    frequency_hz=49.987,
    soc=0.6213,
    low_kw=-1500.0,
    high_kw=1234.5,
    discharge_kwh=2000.0,
    charge_kwh=1300.5,
    remote=True,
    state=CentreState.LIMITED,
    accepted_kw=-800.0,
    accepted_kvar=math.nan,
    binding=7,
)
ILLEGAL_ADDRESS, ILLEGAL_VALUE = 2, 3


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def port_settings(*allow: str, port: int = 0) -> PortSettings:
    networks = tuple(ip_network(one) for one in allow or ("127.0.0.0/8",))
    return PortSettings("127.0.0.1", port, networks, 10.0, 1500.0, 900.0)


@contextlib.asynccontextmanager
async def opened(*allow: str, clock: Clock | None = None):
    centre = ModbusCentre(port_settings(*allow), clock or Clock())
    await centre.start()
    try:
        yield centre
    finally:
        await centre.close()


@contextlib.asynccontextmanager
async def client_of(centre: ModbusCentre | GuardedServer, source: str = "127.0.0.1"):
    client = AsyncModbusTcpClient(
        "127.0.0.1",
        port=centre.port,
        timeout=5,
        retries=0,
        reconnect_delay=0,
        source_address=(source, 0),
    )
    await client.connect()
    try:
        yield client
    finally:
        client.close()


async def is_served(centre: ModbusCentre, source: str) -> bool:
    """Knock once; whether the door opened."""
    async with client_of(centre, source) as client:
        with contextlib.suppress(ModbusException):
            return not (await client.read_holding_registers(0, count=7)).isError()
    return False


async def read_view(client: AsyncModbusTcpClient) -> tuple:
    reply = await client.read_input_registers(0, count=SIZE)
    assert not reply.isError()
    return struct.unpack(">IiiHHiiIIHHiiHHHH", struct.pack(f">{SIZE}H", *reply.registers))


async def test_a_request_written_in_one_go_arrives_whole_and_reads_back():
    clock = Clock()
    async with opened(clock=clock) as centre, client_of(centre) as client:
        assert centre.request() is None
        values = whole(heartbeat=1, enable=1, power=-12_000, reactive=300, mode=1)

        reply = await client.write_registers(0, values)
        clock.now_s += 2
        echo = await client.read_holding_registers(0, count=7)

        request = centre.request()
        assert not reply.isError()
        assert echo.registers == values
        assert request is not None
        assert (request.enabled, request.power_kw, request.reactive_kvar) == (True, -1200.0, 30.0)
        assert request.heartbeat_ms == 2000
        assert centre.connected


async def test_the_centre_is_shown_the_station_in_one_picture():
    async with opened() as centre, client_of(centre) as client:
        centre.show(VIEW)
        await client.write_registers(0, whole(heartbeat=41))

        view = await read_view(client)

    no_s32 = -0x8000_0000
    assert view == (
        1_790_000_000, -8125, 331, 49_987, 6213, -15_000, 12_345, 20_000, 13_005,
        1, CentreState.LIMITED, -8000, no_s32, Refusal.NONE, 7, 41, 1,
    )  # fmt: skip


async def test_before_the_station_knows_anything_every_value_says_so():
    async with opened() as centre, client_of(centre) as client:
        view = await read_view(client)

    no_s32, no_u32, no_u16 = -0x8000_0000, 0xFFFF_FFFF, 0xFFFF
    assert view == (
        0, no_s32, no_s32, no_u16, no_u16, no_s32, no_s32, no_u32, no_u32,
        0, CentreState.OFF, no_s32, no_s32, 0, 0, 0, 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "values", "code", "refusal"),
    [
        (POWER, [1], ILLEGAL_VALUE, Refusal.VALUE_SPLIT),
        (POWER, pair(15_001), ILLEGAL_VALUE, Refusal.POWER_OUT_OF_RANGE),
        (ENABLE, [3], ILLEGAL_VALUE, Refusal.NOT_A_SWITCH),
        (7, [1], ILLEGAL_ADDRESS, Refusal.NONE),
        (6, [1, 1, 1], ILLEGAL_ADDRESS, Refusal.NONE),
    ],
)
async def test_a_wrong_write_is_answered_with_an_exception_and_changes_nothing(
    address, values, code, refusal
):
    async with opened() as centre, client_of(centre) as client:
        await client.write_registers(0, whole())
        before = centre.request()

        reply = await client.write_registers(address, values)
        echo = await client.read_holding_registers(0, count=7)
        view = await read_view(client)

        assert reply.isError()
        assert reply.exception_code == code
        assert echo.registers == whole()
        assert view[13] == refusal
        assert centre.request() == before


async def test_single_writes_work_for_switches_and_are_refused_for_half_values():
    async with opened() as centre, client_of(centre) as client:
        await client.write_registers(POWER, pair(500))

        half = await client.write_register(POWER, 1)
        on = await client.write_register(ENABLE, 1)

        request = centre.request()
        assert half.exception_code == ILLEGAL_VALUE
        assert not on.isError()
        assert request is not None
        assert (request.enabled, request.power_kw) == (True, 50.0)


async def test_a_lost_heartbeat_is_told_and_withdraws_the_request():
    clock = Clock()
    async with opened(clock=clock) as centre, client_of(centre) as client:
        centre.show(VIEW)
        await client.write_registers(0, whole(heartbeat=1))
        clock.now_s += 10.5

        assert centre.request() is None
        assert centre.lost
        view = await read_view(client)
        echo = await client.read_holding_registers(0, count=7)
        assert view[10] == CentreState.LOST
        assert echo.registers == whole(heartbeat=1, enable=0, power=0)

        await client.write_registers(0, whole(heartbeat=2, power=100))
        assert not centre.lost
        assert centre.request() is not None


async def test_what_is_not_in_the_table_cannot_be_read():
    async with opened() as centre, client_of(centre) as client:
        beyond = await client.read_input_registers(20, count=SIZE)
        holding = await client.read_holding_registers(7, count=1)

    assert beyond.exception_code == ILLEGAL_ADDRESS
    assert holding.exception_code == ILLEGAL_ADDRESS


async def test_an_address_that_is_not_listed_is_turned_away():
    async with opened("127.0.0.2/32") as centre:
        async with client_of(centre, source="127.0.0.3") as stranger:
            await wait_for(lambda: centre.turned_away == 1, "the stranger turned away")
            await wait_for(lambda: not stranger.connected, "its connection closed")
        async with client_of(centre, source="127.0.0.2") as client:
            reply = await client.write_registers(0, whole())
            assert not reply.isError()


async def test_a_second_client_waits_outside_while_the_first_is_there():
    async with opened() as centre:
        async with client_of(centre) as first:
            await first.write_registers(0, whole())
            async with client_of(centre, source="127.0.0.2") as second:
                await wait_for(lambda: not second.connected, "the second turned away")
            still = await first.read_holding_registers(0, count=7)
            assert still.registers == whole()
        await wait_for(lambda: not centre.connected, "the place free")
        async with client_of(centre, source="127.0.0.2") as next_one:
            reply = await next_one.read_holding_registers(0, count=7)
            assert not reply.isError()


async def test_a_silent_client_makes_room_for_the_next():
    centre = ModbusCentre(
        PortSettings("127.0.0.1", 0, (ip_network("127.0.0.0/8"),), 0.2, 1500.0, 900.0)
    )
    await centre.start()
    try:
        async with client_of(centre) as dead:
            await dead.read_holding_registers(0, count=7)
            async with asyncio.timeout(30):
                while not await is_served(centre, "127.0.0.2"):
                    assert centre.turned_away > 0
            await wait_for(lambda: not dead.connected, "the silent one gone")
    finally:
        await centre.close()


async def test_a_client_in_a_tight_loop_does_not_take_the_stations_time():
    rests: list[Callable[[], None]] = []
    registers = [SimData(0, values=[7] * 10, datatype=DataType.REGISTERS)]
    networks = port_settings().allow
    server = GuardedServer(
        SimDevice(0, registers), "127.0.0.1", 0, networks, 10.0, rest=rests.append
    )
    await server.open()
    try:
        async with client_of(server) as client:
            for asked in range(1, 4):
                reply = await client.read_holding_registers(0, count=7)
                guest = server.guest
                assert reply.registers == [7] * 7
                assert guest is not None
                assert len(rests) == asked
                assert not guest.transport.is_reading()
                rests[-1]()
                assert guest.transport.is_reading()
    finally:
        await server.shutdown()


async def test_garbage_on_the_line_changes_nothing_and_the_next_client_is_served():
    async with opened() as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)))
        await writer.drain()
        writer.close()
        await reader.read()
        await wait_for(lambda: not centre.connected, "the door shut")
        async with client_of(centre) as client:
            reply = await client.read_holding_registers(0, count=7)

        assert reply.registers == [0] * 7
        assert centre.request() is None


async def test_a_port_that_is_taken_is_named_with_its_remedy():
    async with opened() as centre:
        second = ModbusCentre(port_settings(port=centre.port))
        with pytest.raises(CentreUnavailable, match=rf"{centre.port}.*\[centre\]"):
            await second.start()
