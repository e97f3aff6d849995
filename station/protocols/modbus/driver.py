"""The Modbus driver: all Modbus TCP devices of a station, grouped into lines by server."""

import asyncio
import contextlib
import logging
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
from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.fast import FastLane
from station.protocols.modbus.fast_plan import compile_fast
from station.protocols.modbus.line import Line
from station.protocols.modbus.unit import Unit

log = logging.getLogger(__name__)

_RESTART_S = 1.0
_BETWEEN_LINES_S = 0.001
_ALL_LINES_S = 0.3
"""Lines begin one after another, within so long: together they would keep a fast lane waiting."""


class ModbusDriver(Driver):
    """Reads every device once a tick and writes its command points.

    Devices that share host and port share its connections and are asked in turn; lines run
    side by side.
    """

    def __init__(self, devices: Sequence[DeviceSpec], resume: Mapping[str, str]) -> None:
        """Load every profile; Modbus devices buffer nothing, so there is nothing to resume."""
        del resume
        loaded = {name: profiles.load(name) for name in {spec.profile for spec in devices}}
        by_server: dict[tuple[str, int], list[Unit]] = {}
        for number, spec in enumerate(devices):
            unit = Unit(spec, loaded[spec.profile], number)
            by_server.setdefault((spec.host, spec.port), []).append(unit)
        step_s = min(_BETWEEN_LINES_S, _ALL_LINES_S / len(by_server)) if by_server else 0.0
        self.lines = [
            Line(host, port, units, shift_s=number * step_s)
            for number, ((host, port), units) in enumerate(by_server.items())
        ]
        self._by_device = {
            unit.spec.device: (line, unit) for line in self.lines for unit in line.units
        }
        self.fast_lanes = _fast_lanes(self.lines)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, publish: Publish) -> None:
        """Serve all lines until closed."""
        self._tasks = [asyncio.create_task(self._supervise(line, publish)) for line in self.lines]
        self._tasks += [
            asyncio.create_task(self._supervise_fast(lane, publish)) for lane in self.fast_lanes
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)

    async def _supervise(self, line: Line, publish: Publish) -> None:
        """Restart a line that failed for a reason nobody foresaw; its neighbours go on."""
        while True:
            try:
                await line.run(publish)
            except Exception as error:
                log.exception("line=%s event=failed", line.name)
                line.close()
                for unit in line.units:
                    unit.health.failed(f"the driver failed: {error!r}", publish, at_once=True)
                await asyncio.sleep(_RESTART_S)

    async def _supervise_fast(self, lane: FastLane, publish: Publish) -> None:
        """The same for a fast lane; the device's state is its line's to tell."""
        while True:
            try:
                await lane.run(publish)
            except Exception:
                log.exception("device=%s event=fast_lane_failed", lane.unit.spec.device)
                await asyncio.sleep(_RESTART_S)

    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Write one command point and return what the device made of it."""
        line, unit = self._by_device.get(command.device, (None, None))
        if line is None or unit is None:
            return Refused(command.id, now_ms(), f"no Modbus device {command.device!r}")
        write = unit.profile.writes.get(command.point)
        if write is None:
            known = ", ".join(sorted(unit.profile.writes)) or "none"
            reason = f"{command.device} has no command point {command.point!r}; it has: {known}"
            return Refused(command.id, now_ms(), reason)
        connection = line.for_commands()
        if connection is None:
            return Refused(command.id, now_ms(), "the device is not connected")
        try:
            await unit.write(connection, write, command.value)
        except (DeviceUnreachable, BadReply) as error:
            return TimedOut(command.id, now_ms(), str(error))
        except ProtocolError as error:
            return Refused(command.id, now_ms(), str(error))
        return Accepted(command.id, now_ms())

    async def close(self) -> None:
        """Close all connections; `run` returns."""
        await end(self._tasks)
        for line in self.lines:
            line.close()


def _fast_lanes(lines: Sequence[Line]) -> list[FastLane]:
    """Return a fast lane for every device whose profile wants one."""
    lanes = []
    for line in lines:
        for unit in line.units:
            plan = compile_fast(unit.spec.profile, unit.profile)
            if plan is not None:
                lanes.append(FastLane(unit, plan))
    return lanes
