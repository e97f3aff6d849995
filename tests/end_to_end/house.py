"""What the end-to-end tests do to a running house, and how they count afterwards."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from launcher import report
from launcher.cloud_client import CloudClient
from launcher.report import Stream
from launcher.stack import Stack
from tests.waiting import wait_until

# What lies between a device and the durable queue: the batch that is being filled, and its commit.
UNQUEUED_S = 4
_LATEST_S = 30
"""By then a sample that was served has come, or never will."""


@dataclass
class House:
    """The running processes, a signed-in client, and the moments when the station was killed."""

    stack: Stack
    client: CloudClient
    started_s: int
    station_gaps: list[tuple[int, int]] = field(default_factory=list)

    def worker(self, *words: str) -> psutil.Process:
        """The one running process whose command line holds all the words."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [
                process
                for child in (self.stack.plant, self.stack.cloud, self.stack.station)
                if child is not None
                for process in child.tree()
                if _has_words(process, words)
            ]
            return bool(found)

        wait_until(look, f"a process with {' '.join(words)}", 60)
        return found[0]

    def kill(self, process: psutil.Process) -> None:
        """kill -9, and wait until it is gone."""
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not _alive(process), f"the end of process {process.pid}", 30)

    def cycles(self) -> int:
        """How many control cycles the station has run since its start."""
        return int(self.stack.status().get("cycles", 0))

    def acknowledged(self) -> int:
        """How many batches the cloud has acknowledged since the station's start."""
        return int(self.stack.status().get("batches_acked", 0))

    def wait_cycles(self, more: int) -> None:
        """Wait until the station has run `more` further cycles."""
        target = self.cycles() + more
        wait_until(lambda: self.cycles() >= target, f"{more} more cycles", 30 + 5 * more)

    def wait_acknowledged(self, more: int = 2) -> None:
        """Wait until the cloud has acknowledged `more` further batches."""
        target = self.acknowledged() + more
        wait_until(lambda: self.acknowledged() >= target, "acknowledged batches", 60)

    def wait_drained(self) -> None:
        """Wait until nothing but the newest batches waits in the station's queue."""
        wait_until(lambda: self.stack.status().get("queue", 99) <= 1, "an empty queue", 90)

    def kill_station(self) -> None:
        """kill -9 of the whole station, and start it again."""
        station = self.stack.station
        assert station is not None
        tree = station.tree()
        begun = int(time.time())
        os.kill(station.pid, signal.SIGKILL)
        station.process.wait(30)
        for process in tree[1:]:
            wait_until(
                lambda process=process: not _alive(process), "the end of the station's children", 30
            )
        self.stack.start_station()
        self.wait_cycles(2)
        self.station_gaps.append((begun - UNQUEUED_S, int(time.time())))

    def missing_and_doubled(self) -> tuple[dict[Stream, list[int]], int]:
        """Device times that were served but are not in the cloud, and how many are there twice.

        What the plant served is its own record. Left out are the seconds around a kill -9 of the
        station, in which samples had been read but not yet queued.
        """
        until = int(time.time()) - 1
        ticks = report.served(self.stack.folders.record, until)
        self.wait_for_store(until)
        end = time.monotonic() + _LATEST_S
        while True:
            missing, doubled = self._compare(ticks)
            if not missing or time.monotonic() > end:
                return missing, doubled
            self.wait_acknowledged(1)  # several batches are under way at a time

    def _compare(self, ticks: Mapping[Stream, set[int]]) -> tuple[dict[Stream, list[int]], int]:
        missing: dict[Stream, list[int]] = {}
        doubled = 0
        for stream, wanted in ticks.items():
            answer = self.client.samples(
                "demo",
                stream.device,
                stream.layout,
                (min(wanted) - 1) * 1000,
                (max(wanted) + 1) * 1000,
            )
            held = {int(ms) // 1000 for ms in answer["times_ms"]}
            gone = sorted(t for t in wanted - held if not self._in_gap(t))
            if gone:
                missing[stream] = gone
            doubled += int(answer["duplicated"])
        return missing, doubled

    def wait_for_store(self, until_s: int) -> None:
        """Wait until the cloud holds a sample younger than `until_s`."""

        def newest() -> bool:
            answer = self.client.samples(
                "demo", "METER", "meter", until_s * 1000, (until_s + 3600) * 1000
            )
            return any(int(ms) // 1000 > until_s for ms in answer["times_ms"])

        wait_until(newest, "a sample behind the counted span", 60)

    def _in_gap(self, second: int) -> bool:
        return any(begin <= second <= end for begin, end in self.station_gaps)


def _has_words(process: psutil.Process, words: tuple[str, ...]) -> bool:
    try:
        line = " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return all(word in line for word in words)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
