"""The IEC 61850 driver: all MMS devices of a station, each with an association of its own."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence

from station.clock import now_ms
from station.processes import end
from station.protocols.driver import (
    Accepted,
    CommandOutcome,
    DeviceCommand,
    DeviceSpec,
    Driver,
    Publish,
    Refused,
    TimedOut,
)
from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.iec61850.bindings import Bindings
from station.protocols.iec61850.control import CommandTimedOut
from station.protocols.iec61850.lib import library
from station.protocols.iec61850.session import Session

log = logging.getLogger(__name__)

_RESTART_S = 1.0


class Iec61850Driver(Driver):
    """Reads every device from its reports and operates its controllable objects."""

    def __init__(self, devices: Sequence[DeviceSpec], resume: Mapping[str, str]) -> None:
        """Bind every device that has an SCL file, and load the library."""
        library()
        self.sessions: dict[str, Session] = {}
        for spec in devices:
            self.sessions[spec.device] = Session(spec, Bindings(spec), resume)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, publish: Publish) -> None:
        """Serve all devices until closed."""
        self._tasks = [
            asyncio.create_task(self._supervise(session, publish))
            for session in self.sessions.values()
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)

    async def _supervise(self, session: Session, publish: Publish) -> None:
        """Restart a session that failed for a reason nobody foresaw; its neighbours go on."""
        while True:
            try:
                await session.run(publish)
            except Exception as error:
                log.exception("device=%s event=failed", session.spec.device)
                session.health.failed(f"the driver failed: {error!r}", publish, at_once=True)
                await asyncio.sleep(_RESTART_S)

    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Operate one object and return what the device made of it."""
        session = self.sessions.get(command.device)
        if session is None:
            return Refused(command.id, now_ms(), f"no IEC 61850 device {command.device!r}")
        if command.point not in session.points:
            known = ", ".join(sorted(session.points)) or "none"
            reason = f"{command.device} has no command point {command.point!r}; it has: {known}"
            return Refused(command.id, now_ms(), reason)
        remaining_s = (command.deadline_ms - now_ms()) / 1000
        try:
            deadline_s = time.monotonic() + remaining_s
            await session.operate(command.point, command.value, deadline_s)
        except (CommandTimedOut, DeviceUnreachable) as error:
            return TimedOut(command.id, now_ms(), str(error))
        except ProtocolError as error:
            return Refused(command.id, now_ms(), str(error))
        return Accepted(command.id, now_ms())

    def healthy(self) -> bool:
        """Whether every call into the library returns in its time."""
        return not any(session.stuck() for session in self.sessions.values())

    async def close(self) -> None:
        """Hang up all associations; `run` returns."""
        await end(self._tasks)
