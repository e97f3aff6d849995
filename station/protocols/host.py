"""The station's side of a driver process: start it, hear it, and replace it when it fails.

A protocol library can hang or crash; the station must not. So each family runs in a process
of its own. The host kills a process that stays silent, starts the next one after a jittered
pause, and tells the station at once which devices are unreachable meanwhile. Resume points
survive here, so that a buffered source continues in the next process where it stopped.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from station.clock import now_ms
from station.processes import Child, HostTiming, WatchedProcess, WireError
from station.protocols import wire
from station.protocols.bundle import Bundle
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
    Refused,
    ResumePoint,
    TimedOut,
)
from station.protocols.missed import MissedReadings

__all__ = ["DriverHost", "HostTiming"]

_COMMAND_GRACE_S = 0.3


class DriverHost:
    """One protocol family of the station, in a watched process of its own.

    Attributes:
        resume_points: newest resume token of each buffered source. It only covers readings
            already handed to `on_bundle`: store it in one transaction with them, hand it to
            the next host as `resume`, and nothing is lost or doubled over a station restart.
        missed: samples that this family's devices were asked for in vain, since the start.
        fast_health: newest word of each fast lane, by device; none while no process lives.
    """

    def __init__(
        self,
        driver: str,
        devices: Sequence[DeviceSpec],
        on_bundle: Callable[[Bundle], None],
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
            on_bundle: called in the event loop for readings that came together.
            on_status: called in the event loop for each change of a device's state.
            on_fast: called in the event loop for each fast reading.
            resume: resume points of an earlier station process.
            timing: the host's patience.
            jitter: source of chance for the pauses.
            realtime: priority of the process in the real-time class; 0: none.
        """
        self.driver = driver
        self.devices = tuple(devices)
        self.resume_points: dict[str, str] = dict(resume or {})
        self._on_bundle = on_bundle
        self._on_status = on_status
        self._on_fast = on_fast or (lambda _reading: None)
        self.fast_health: dict[str, FastHealth] = {}
        self.missed = MissedReadings()
        self._pending: dict[str, asyncio.Future[CommandOutcome]] = {}
        self._connected: dict[str, bool] = {}
        child = Child(
            *("driver", driver, "station.protocols.worker"),
            arguments=(driver, "--realtime", str(realtime)),
            most_bytes=wire.MAX_MESSAGE_BYTES,
        )
        self._process = WatchedProcess(child, self, timing, jitter)

    @property
    def restarts(self) -> int:
        """How many times the process was replaced."""
        return self._process.restarts

    @property
    def pid(self) -> int | None:
        """Process id of the driver process of the moment, None between two."""
        return self._process.pid

    async def start(self) -> None:
        """Start the process and its supervision; returns at once."""
        self._process.start()

    async def close(self) -> None:
        """End the process in good order, by force after a while."""
        await self._process.close()

    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Carry out one command in the driver process; never raises for what a device does."""
        if not self._process.can_take:
            return Refused(command.id, now_ms(), f"the {self.driver} driver is not running")
        future: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._pending[command.id] = future
        self._process.send(wire.encode(command))
        remaining = max(0, command.deadline_ms - now_ms()) / 1000
        try:
            async with asyncio.timeout(remaining + _COMMAND_GRACE_S):
                return await future
        except TimeoutError:
            return TimedOut(command.id, now_ms(), "the driver gave no outcome in time")
        finally:
            self._pending.pop(command.id, None)

    def greeting(self) -> bytes:
        """Return what a driver process must know."""
        return wire.encode(DriverSetup(self.driver, self.devices, dict(self.resume_points)))

    def farewell(self) -> bytes:
        """Return the request to end."""
        return wire.encode(wire.Close())

    def hear(self, frame: bytes) -> str:
        """Hand on what the process sends; return why it cannot serve, if so.

        Raises:
            WireError: it is not what was agreed.
        """
        message = wire.decode(frame)
        match message:
            case Bundle() | FastReading() | MissedReading() | FastHealth():
                self._take_values(message)
            case ResumePoint():
                self.resume_points[message.key] = message.token
            case DeviceStatus():
                self._connected[message.device] = message.connected
                self._on_status(message)
            case Accepted() | Refused() | TimedOut():
                self._settle(message)
            case wire.Heartbeat():
                self._process.settled()
            case wire.Failed():
                return message.reason
            case _:
                raise WireError(f"a driver process sends no {type(message).__name__}")
        return ""

    def _take_values(self, message: Bundle | FastReading | MissedReading | FastHealth) -> None:
        """Hand on what devices said, and note what they were asked for in vain."""
        match message:
            case Bundle():
                self._on_bundle(message)
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

    def mourn(self, reason: str) -> None:
        """Tell at once whom the death of the process concerns: devices and waiting commands."""
        self.fast_health.clear()
        at_ms = now_ms()
        for spec in self.devices:
            if self._connected.get(spec.device, True) and not self._process.closing:
                self._connected[spec.device] = False
                self._on_status(DeviceStatus(spec.device, False, reason, at_ms))
        for id_, future in self._pending.items():
            if not future.done():
                future.set_result(TimedOut(id_, at_ms, reason))
