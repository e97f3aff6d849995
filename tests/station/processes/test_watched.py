"""Real processes that hang, spin and starve: what makes no progress though it could is replaced."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest

from station.processes import Child, HostTiming, WatchedProcess, framing
from tests.station.processes.restless import MOST_BYTES
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
SILENCE_S = 1.5


class Owner:
    def __init__(self) -> None:
        self.beats, self.lost = 0, []

    def greeting(self) -> bytes:
        return framing.pack("hello", {}, most=MOST_BYTES)

    farewell = greeting

    def hear(self, frame: bytes) -> str:
        self.beats += 1
        return ""

    def mourn(self, reason: str) -> None:
        self.lost.append(reason)


@contextlib.asynccontextmanager
async def watching(mode: str, cpu: int = 0):
    owner = Owner()
    child = Child(
        *("test", mode, "tests.station.processes.restless"),
        arguments=(mode, str(cpu)),
        most_bytes=MOST_BYTES,
        environment={"PYTHONPATH": str(ROOT)},
    )
    timing = HostTiming(silence=SILENCE_S, start=60.0, close=0.1)
    watched = WatchedProcess(child, owner, timing)
    watched.start()
    try:
        yield watched, owner
    finally:
        await watched.close()


@pytest.mark.parametrize("mode", ["hangs", "spins"])
async def test_a_process_that_hangs_or_spins_is_replaced(mode):
    async with watching(mode) as (watched, owner):
        await wait_for(lambda: owner.lost, "the loss", 60)
        await wait_for(lambda: owner.beats > 1, "the next process", 60)

        assert owner.lost[0].startswith("the test process was silent for")
        assert watched.restarts == 1


@pytest.mark.skipif(sys.platform != "linux", reason="what a process waits for is told by Linux")
async def test_a_process_that_the_machine_does_not_let_run_is_left_at_its_work():
    cpu = min(os.sched_getaffinity(0))
    hog = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    try:
        os.sched_setaffinity(hog.pid, {cpu})
        async with watching("works", cpu) as (watched, owner):
            await wait_for(lambda: owner.beats > 2, "two rounds of its work", 120)

            assert owner.lost == []
            assert watched.restarts == 0
    finally:
        hog.kill()
        await hog.wait()
