"""The host with a real driver process that is killed, stopped and misconfigured."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from station.protocols.driver import (
    Accepted,
    DeviceCommand,
    DeviceSpec,
    Refused,
    TimedOut,
    available_drivers,
    load_driver,
)
from station.protocols.errors import UnknownDriver
from station.protocols.host import DriverHost, HostTiming
from tests.station.protocols.modbus_server import HANG, Bank, ModbusServer, follow_wall_clock
from tests.station.protocols.test_modbus_driver import Record
from tests.waiting import wait_for, wait_until

PATIENCE = HostTiming(silence=4.0, pause_min=0.05, pause_max=0.5)


def chiller_bank() -> Bank:
    bank = Bank(before_reply=follow_wall_clock(3, 0, low_first=True), size=4096)
    bank.write(3, 2, 1, 180, 230, 200, 900, 1500, 250)
    return bank


@contextlib.asynccontextmanager
async def hosting(server: ModbusServer):
    record = Record()
    spec = DeviceSpec("CHL", "chiller.toml", "127.0.0.1", server.port)
    host = DriverHost("modbus", [spec], record, record, timing=PATIENCE)
    await host.start()
    try:
        yield host, record
    finally:
        await host.close()


def command(value: float = 20.0, within_s: float = 20.0, id_: str = "c1") -> DeviceCommand:
    deadline_ms = int((time.time() + within_s) * 1000)
    return DeviceCommand(id_, "CHL", "coolant_setpoint_c", value, deadline_ms)


@pytest.fixture
async def server():
    async with ModbusServer({1: chiller_bank()}) as server:
        yield server


async def test_readings_and_commands_pass_through_the_process(server):
    async with hosting(server) as (host, record):
        assert isinstance(await host.command(command()), Refused)
        await wait_for(lambda: record.readings, "a reading")

        assert isinstance(await host.command(command(22.0)), Accepted)
        outcome = await host.command(command(99.0))

    assert server.banks[1].registers[3][5] == 220
    assert isinstance(outcome, Refused)
    assert "10..30" in outcome.reason
    reading = record.readings[0]
    assert (reading.device, reading.layout) == ("CHL", "chiller")
    assert not reading.values[0].flags.writeable


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
async def test_a_process_that_dies_or_hangs_is_replaced_and_the_station_goes_on(server, blow):
    async with hosting(server) as (host, record):
        await wait_for(lambda: record.readings, "a reading")
        first = host.pid
        assert first is not None
        beats = 0
        os.kill(first, blow)

        async def station() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.01)

        other_work = asyncio.create_task(station())
        await wait_for(lambda: record.connected("CHL") is False, "loss reported")
        lost_at = len(record.readings)
        await wait_for(lambda: len(record.readings) > lost_at, "readings again")
        await wait_for(lambda: record.connected("CHL"), "recovery reported")
        other_work.cancel()

        assert host.pid != first
        assert host.restarts == 1
        assert beats > 10
        assert not psutil.pid_exists(first)
    times = record.times("CHL", "chiller")
    assert times == sorted(times)


async def test_a_command_waiting_in_a_process_that_dies_times_out_at_once(server):
    async with hosting(server) as (host, record):
        await wait_for(lambda: record.readings, "a reading")
        server.behaviour = lambda request, reply: HANG if request.function == 16 else reply
        waiting = asyncio.create_task(host.command(command(within_s=60.0)))
        await wait_for(lambda: any(r.function == 16 for r in server.requests), "the write")
        assert host.pid is not None
        os.kill(host.pid, signal.SIGKILL)

        outcome = await asyncio.wait_for(waiting, 30.0)

    assert isinstance(outcome, TimedOut)


async def test_a_command_without_an_outcome_times_out_at_its_deadline(server):
    async with hosting(server) as (host, record):
        await wait_for(lambda: record.readings, "a reading")
        assert host.pid is not None
        os.kill(host.pid, signal.SIGSTOP)

        outcome = await host.command(command(within_s=0.2))

    assert isinstance(outcome, TimedOut)


async def test_a_wrong_profile_is_told_as_the_devices_state(tmp_path, server):
    path = tmp_path / "wrong.toml"
    path.write_text("title = 1")
    record = Record()
    spec = DeviceSpec("CHL", str(path), "127.0.0.1", server.port)
    host = DriverHost("modbus", [spec], record, record, timing=PATIENCE)
    await host.start()
    try:
        await wait_for(lambda: record.connected("CHL") is False, "refusal")
    finally:
        await host.close()

    assert str(path) in record.statuses[-1].reason
    assert "title" in record.statuses[-1].reason


async def test_closing_leaves_no_process(server):
    async with hosting(server) as (host, record):
        await wait_for(lambda: record.readings, "a reading")
        pid = host.pid
        assert pid is not None

    assert not psutil.pid_exists(pid)
    assert host.restarts == 0


def test_a_driver_process_dies_with_its_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys\n"
        "from station.protocols.driver import DeviceSpec\n"
        "from station.protocols.host import DriverHost\n"
        "async def main():\n"
        "    spec = DeviceSpec('CHL', 'chiller.toml', '127.0.0.1', 1)\n"
        "    host = DriverHost('modbus', [spec], print, lambda s: print(host.pid, flush=True))\n"
        "    await host.start()\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()

    def gone() -> bool:
        return (
            not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        )

    wait_until(gone, "the driver process to die")


def test_an_unknown_driver_names_what_there_is():
    with pytest.raises(UnknownDriver, match="modbus"):
        load_driver("profibus")
    assert {"modbus", "iec61850"} <= set(available_drivers())
