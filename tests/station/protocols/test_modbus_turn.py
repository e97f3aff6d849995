"""Whose turn it is on a line, alone and with a real poll on it."""

import asyncio

import pytest

from station.protocols.driver import Accepted, DeviceSpec
from station.protocols.modbus.client import Connection
from station.protocols.modbus.profile import Space
from station.protocols.modbus.turn import Turns, Urgency
from tests.station.protocols.modbus_server import Bank, ModbusServer
from tests.station.protocols.test_modbus_driver import command, rack_bank, rack_spec, running
from tests.waiting import wait_for


def test_the_most_urgent_goes_next_and_equals_go_in_the_order_they_came():
    turns: Turns[str] = Turns()
    for name, urgency in (
        ("poll", Urgency.POLL),
        ("beat", Urgency.ROUTINE),
        ("first", Urgency.COMMAND),
        ("second", Urgency.COMMAND),
    ):
        turns.join(urgency, name)

    assert turns.first() == "first"
    assert [turns.leave() for _ in range(4)] == ["first", "second", "beat", "poll"]
    assert not turns


@pytest.mark.parametrize("under_way", [False, True])
async def test_who_gives_up_waiting_blocks_nobody(under_way):
    async with ModbusServer({1: Bank()}) as server:
        connection = Connection("127.0.0.1", server.port)
        await connection.connect(10.0)
        places = ["holder", "gone", "next"]
        tasks = [
            asyncio.create_task(connection.read(1, Space.HOLDING, number, 1, 5.0))
            for number, _ in enumerate(places)
        ]
        await asyncio.sleep(0)
        tasks[0 if under_way else 1].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await connection.read(1, Space.HOLDING, 9, 1, 5.0)
        connection.close()

    assert [isinstance(one, asyncio.CancelledError) for one in done] == (
        [True, False, False] if under_way else [False, True, False]
    )
    assert [r.address for r in server.requests] == ([0, 1, 2, 9] if under_way else [0, 2, 9])


async def test_a_command_waits_for_one_request_of_the_poll_and_not_for_all_its_racks():
    units = range(1, 11)
    async with (
        ModbusServer({unit: rack_bank(unit) for unit in units}) as server,
        running(*(rack_spec(server.port, unit) for unit in units)) as (driver, record),
    ):
        await wait_for(lambda: record.connected("R10"), "the line")
        tasks: list[asyncio.Task] = []
        at: list[int] = []

        def command_with_the_first_rack(request, reply):
            if not tasks and request.unit == 1 and request.function == 4:
                at.append(len(server.requests))
                for name in ("R03", "R09"):
                    order = driver.command(command(name, "open_contactor"))
                    tasks.append(asyncio.create_task(order))
            return reply

        server.behaviour = command_with_the_first_rack
        await wait_for(lambda: tasks and all(task.done() for task in tasks), "the commands")
        between = [r.function for r in server.requests[at[0] :]][:4]

    assert all(isinstance(task.result(), Accepted) for task in tasks)
    assert between.count(16) == 2
    assert server.banks[3].registers[3][0] == server.banks[9].registers[3][0] == 2


async def test_heartbeats_let_a_protective_command_pass():
    bank = rack_bank()
    async with (
        ModbusServer({1: bank}) as server,
        running(DeviceSpec("R01", "bms-416.toml", "127.0.0.1", server.port)) as (driver, record),
    ):
        await wait_for(lambda: record.connected("R01"), "the line")
        tasks: list[asyncio.Task] = []

        def beats_then_open(request, reply):
            if not tasks and request.function == 4:
                orders = [command("R01", "heartbeat", float(n)) for n in range(5)]
                orders.append(command("R01", "open_contactor"))
                tasks.extend(asyncio.create_task(driver.command(order)) for order in orders)
            return reply

        server.behaviour = beats_then_open
        await wait_for(lambda: tasks and all(task.done() for task in tasks), "the commands")
        written = [r.address for r in server.requests if r.function == 16]

    assert all(isinstance(task.result(), Accepted) for task in tasks)
    assert written == [0, 1, 1, 1, 1, 1]
