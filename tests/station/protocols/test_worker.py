"""The driver process itself, spoken to over its stream: what goes wrong in it is told."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from station.processes.child import ChildArguments
from station.protocols import wire
from station.protocols.driver import DeviceCommand, DriverSetup, TimedOut

DRIVER = """
import asyncio
from station.protocols.driver import Driver

class Broken(Driver):
    def __init__(self, devices, resume):
        self.closed = asyncio.Event()

    async def run(self, publish):
        await self.closed.wait()

    async def command(self, command):
        raise KeyError(command.point)

    async def close(self):
        self.closed.set()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with a driver, as a third party installs one."""
    (tmp_path / "broken_driver.py").write_text(DRIVER, "utf-8")
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", "utf-8")
    points = "[stationmaster.drivers]\nbroken = broken_driver:Broken\n"
    (about / "entry_points.txt").write_text(points, "utf-8")
    return tmp_path


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.subprocess.Process]]:
    ours, theirs = socket.socketpair()
    arguments = ChildArguments(theirs.fileno(), os.getpid(), "INFO").as_list()
    path = os.pathsep.join([str(folder), *sys.path])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "station.protocols.worker", "broken", *arguments),
        pass_fds=[theirs.fileno()],
        env={**os.environ, "PYTHONPATH": path},
        stderr=asyncio.subprocess.PIPE,
    )
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours)
    writer.write(wire.encode(DriverSetup("broken", ())))
    try:
        yield reader, writer, process
    finally:
        writer.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> str:
    """Wait for the end of a process; return its log."""
    assert process.stderr is not None
    log = (await process.stderr.read()).decode()
    await process.wait()
    return log


async def test_a_command_whose_driver_fails_has_an_outcome_that_says_so(folder):
    async with serving(folder) as (reader, writer, process):
        deadline_ms = int(time.time() * 1000) + 60_000
        writer.write(wire.encode(DeviceCommand("c1", "PCS", "start", 1.0, deadline_ms)))
        async with asyncio.timeout(20):
            while not isinstance(outcome := await wire.receive(reader), TimedOut):
                assert outcome is not None
            writer.write(wire.encode(wire.Close()))
            log = await said(process)

    assert outcome.id == "c1"
    assert "the driver failed: KeyError('start')" in outcome.reason
    assert log.count("event=command_failed") == 1
    assert process.returncode == 0


async def test_a_host_that_sends_what_no_host_sends_is_told_and_left(folder):
    async with serving(folder) as (_, writer, process):
        writer.write(wire.encode(wire.Heartbeat(1)))
        async with asyncio.timeout(20):
            log = await said(process)

    assert process.returncode == 1
    assert "a host sends no Heartbeat" in log
