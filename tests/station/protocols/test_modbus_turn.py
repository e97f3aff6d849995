"""Whose turn it is on a line, alone and with a real poll on it."""

import asyncio

import pytest

from station.protocols.driver import Accepted, DeviceSpec
from station.protocols.modbus.turn import Turn, Urgency
from tests.station.protocols.modbus_server import ModbusServer
from tests.station.protocols.test_modbus_driver import command, rack_bank, rack_spec, running
from tests.waiting import wait_for


async def hold(turn: Turn, urgency: Urgency, name: str, order: list[str], go: asyncio.Event):
    async with turn.take(urgency):
        order.append(name)
        await go.wait()


async def waiting(turn: Turn, order: list[str], go: asyncio.Event, *wanted: tuple[str, Urgency]):
    """Take the turn with a holder and let others queue in this order; return their tasks."""
    tasks = []
    for name, urgency in (("holder", Urgency.POLL), *wanted):
        tasks.append(asyncio.create_task(hold(turn, urgency, name, order, go)))
        await asyncio.sleep(0)
    return tasks


async def test_the_most_urgent_goes_next_and_equals_go_in_the_order_they_came():
    turn, order, go = Turn(), [], asyncio.Event()
    tasks = await waiting(
        turn,
        order,
        go,
        ("poll", Urgency.POLL),
        ("beat", Urgency.ROUTINE),
        ("first", Urgency.COMMAND),
        ("second", Urgency.COMMAND),
    )

    go.set()
    await asyncio.gather(*tasks)

    assert order == ["holder", "first", "second", "beat", "poll"]


@pytest.mark.parametrize("released_first", [False, True])
async def test_who_gives_up_waiting_blocks_nobody(released_first):
    turn, order, go = Turn(), [], asyncio.Event()
    tasks = await waiting(turn, order, go, ("gone", Urgency.COMMAND), ("next", Urgency.POLL))

    if released_first:
        go.set()
        await asyncio.sleep(0)  # the holder hands on in this step; "gone" has not run yet
    tasks[1].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert [name for name in order if name != "gone"] == ["holder", "next"]
    async with asyncio.timeout(5), turn.take(Urgency.POLL):
        order.append("free again")
    assert order[-1] == "free again"


async def test_a_command_waits_for_one_request_of_the_poll_and_not_for_all_its_racks():
    units = range(1, 11)
    async with (
        ModbusServer({unit: rack_bank() for unit in units}) as server,
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
