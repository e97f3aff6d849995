"""The station's side of a driver process: start it, hear it, and replace it when it fails.

A protocol library can hang or crash; the station must not. So each family runs in a process
of its own. The host kills a process that stays silent, starts the next one after a jittered
pause, and tells the station at once which devices are unreachable meanwhile. Resume points
survive here, so that a buffered source continues in the next process where it stopped.
"""

import asyncio
import contextlib
import logging
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from station.protocols import wire
from station.protocols.driver import (
    Accepted,
    CommandOutcome,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    DriverSetup,
    FastHealth,
    FastReading,
    MissedReading,
    Reading,
    Refused,
    ResumePoint,
    TimedOut,
)
from station.protocols.errors import WireError
from station.protocols.missed import MissedReadings
from station.protocols.tasks import end

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HostTiming:
    """When the host loses patience, in seconds.

    Attributes:
        silence: a process that has sent nothing for so long is killed.
        start: the same until its first message: imports take their time on a busy machine.
        pause_min, pause_max: range of the pause before the next start; it doubles from the
            lower to the upper bound and each pause is drawn between half and whole of it.
        settled: a process that lived so long starts the next series of pauses afresh.
        close: how long a process may take to end in good order.
    """

    silence: float = 3.0
    start: float = 20.0
    pause_min: float = 0.2
    pause_max: float = 5.0
    settled: float = 10.0
    close: float = 3.0


_WATCH_S = 0.25
_COMMAND_GRACE_S = 0.3


class DriverHost:
    """One protocol family of the station, in a watched process of its own.

    Attributes:
        restarts: how many times the process was replaced.
        resume_points: newest resume token of each buffered source. It only covers readings
            already handed to `on_reading`: store it in one transaction with them, hand it to
            the next host as `resume`, and nothing is lost or doubled over a station restart.
        missed: samples that this family's devices were asked for in vain, since the start.
        fast_health: newest word of each fast lane, by device; none while no process lives.
    """

    def __init__(
        self,
        driver: str,
        devices: Sequence[DeviceSpec],
        on_reading: Callable[[Reading], None],
        on_status: Callable[[DeviceStatus], None],
        *,
        on_fast: Callable[[FastReading], None] | None = None,
        resume: Mapping[str, str] | None = None,
        timing: HostTiming | None = None,
        jitter: random.Random | None = None,
        realtime: int = 0,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            driver: name of the driver in the registry.
            devices: the devices it serves.
            on_reading: called in the event loop for each reading.
            on_status: called in the event loop for each change of a device's state.
            on_fast: called in the event loop for each fast reading.
            resume: resume points of an earlier station process.
            timing: the host's patience.
            jitter: source of chance for the pauses.
            realtime: priority of the process in the real-time class; 0: none.
        """
        self.driver = driver
        self._realtime = realtime
        self.devices = tuple(devices)
        self.restarts = 0
        self.resume_points: dict[str, str] = dict(resume or {})
        self._on_reading = on_reading
        self._on_status = on_status
        self._on_fast = on_fast or (lambda _reading: None)
        self.fast_health: dict[str, FastHealth] = {}
        self.missed = MissedReadings()
        self._timing = timing or HostTiming()
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._pending: dict[str, asyncio.Future[CommandOutcome]] = {}
        self._connected: dict[str, bool] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._closing = False
        self._failed = False
        self._heard = 0.0
        self._failure = ""

    @property
    def pid(self) -> int | None:
        """Process id of the driver process of the moment, None between two."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process and its supervision; returns at once."""
        self._supervisor = asyncio.create_task(self._supervise(), name=f"host-{self.driver}")

    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Carry out one command in the driver process; never raises for what a device does."""
        if self._writer is None:
            return Refused(command.id, _now_ms(), f"the {self.driver} driver is not running")
        future: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._pending[command.id] = future
        self._writer.write(wire.encode(command))
        remaining = max(0, command.deadline_ms - _now_ms()) / 1000
        try:
            async with asyncio.timeout(remaining + _COMMAND_GRACE_S):
                return await future
        except TimeoutError:
            return TimedOut(command.id, _now_ms(), "the driver gave no outcome in time")
        finally:
            self._pending.pop(command.id, None)

    async def close(self) -> None:
        """End the process in good order, by force after a while."""
        self._closing = True
        if self._supervisor is None:
            return
        if self._writer is not None:
            with contextlib.suppress(ConnectionError):
                self._writer.write(wire.encode(wire.Close()))
            await asyncio.wait({self._supervisor}, timeout=self._timing.close)
        self._kill()
        await end([self._supervisor])

    async def _supervise(self) -> None:
        pause = self._timing.pause_min
        while not self._closing:
            started = time.monotonic()
            self._failure = ""
            await self._live()
            if self._closing:
                break
            self.restarts += 1
            if time.monotonic() - started > self._timing.settled:
                pause = self._timing.pause_min
            if not self._failed:
                log.error("driver=%s event=process_lost reason=%r", self.driver, self._failure)
            self._failed = True
            await asyncio.sleep(self._jitter.uniform(pause / 2, pause))
            pause = min(pause * 2, self._timing.pause_max)

    async def _live(self) -> None:
        """Start one process, hear it to its end, and clean up after it."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await self._spawn(theirs)
            self._process = process
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=wire.MAX_MESSAGE_BYTES)
        except OSError as error:
            ours.close()
            self._kill()
            self._mourn(f"the driver process cannot be started: {error}")
            return
        writer.write(wire.encode(DriverSetup(self.driver, self.devices, dict(self.resume_points))))
        self._writer = writer
        watch = asyncio.create_task(self._watch())
        try:
            await self._hear(reader)
        except WireError as error:
            self._failure = str(error)
        finally:
            watch.cancel()
            self._writer = None
            self._kill()
            status = await process.wait()
            self._process = None
            writer.close()
            self._mourn(self._failure or f"the driver process ended with status {status}")

    async def _spawn(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "station.protocols.worker",
            self.driver,
            "--fd",
            str(theirs.fileno()),
            "--parent",
            str(os.getpid()),
            "--log-level",
            logging.getLevelName(log.getEffectiveLevel()),
            "--realtime",
            str(self._realtime),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        """Hand on everything the process sends, to the end of its stream."""
        self._heard = time.monotonic() + self._timing.start - self._timing.silence
        while (message := await wire.receive(reader)) is not None:
            self._heard = time.monotonic()
            match message:
                case Reading() | FastReading() | MissedReading() | FastHealth():
                    self._take_values(message)
                case ResumePoint():
                    self.resume_points[message.key] = message.token
                case DeviceStatus():
                    self._connected[message.device] = message.connected
                    self._on_status(message)
                case Accepted() | Refused() | TimedOut():
                    self._settle(message)
                case wire.Heartbeat():
                    self._recovered()
                case wire.Failed():
                    self._failure = message.reason
                case _:
                    raise WireError(f"a driver process sends no {type(message).__name__}")

    def _take_values(self, message: Reading | FastReading | MissedReading | FastHealth) -> None:
        """Hand on what devices said, and note what they were asked for in vain."""
        match message:
            case Reading():
                self._on_reading(message)
            case FastReading():
                self._on_fast(message)
            case MissedReading():
                self.missed.note(message)
            case FastHealth():
                self.fast_health[message.device] = message

    def _settle(self, outcome: CommandOutcome) -> None:
        future = self._pending.get(outcome.id)
        if future is not None and not future.done():
            future.set_result(outcome)

    async def _watch(self) -> None:
        """Kill the process when it stays silent longer than the host stayed asleep itself."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_WATCH_S)
            overslept = time.monotonic() - before - _WATCH_S
            if overslept > _WATCH_S:
                self._heard += overslept
            silence = time.monotonic() - self._heard
            if silence > self._timing.silence:
                self._failure = f"the driver process was silent for {silence:.1f} s"
                self._kill()
                return

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _recovered(self) -> None:
        if self._failed:
            log.info("driver=%s event=process_back restarts=%d", self.driver, self.restarts)
            self._failed = False

    def _mourn(self, reason: str) -> None:
        """Tell at once whom the death of the process concerns: devices and waiting commands."""
        self._failure = reason
        self.fast_health.clear()
        now_ms = _now_ms()
        for spec in self.devices:
            if self._connected.get(spec.device, True) and not self._closing:
                self._connected[spec.device] = False
                self._on_status(DeviceStatus(spec.device, False, reason, now_ms))
        for id_, future in self._pending.items():
            if not future.done():
                future.set_result(TimedOut(id_, now_ms, reason))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
