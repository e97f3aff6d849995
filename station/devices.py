"""The devices as one part: driver processes, who serves whom, who is connected."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from station.clock import now_ms
from station.config import DeviceConfig, Role, StationConfig
from station.protocols import (
    Bundle,
    CommandOutcome,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    DriverHost,
    FastReading,
    Refused,
    cells_of,
    fast_report,
    missed_report,
)

_HEARTBEAT = "heartbeat"
_HEARTBEAT_DEADLINE_MS = 900
_HEARTBEAT_MODULUS = 1 << 16


@dataclass
class Connection:
    """Whether a device answers, since when, and why not."""

    connected: bool | None = None
    reason: str = "not yet heard"
    since_ms: int = 0


class Devices:
    """All driver processes of the station."""

    def __init__(
        self,
        config: StationConfig,
        resume: Mapping[str, str],
        on_bundle: Callable[[Bundle], None],
        on_status: Callable[[DeviceStatus], None],
        on_fast: Callable[[FastReading], None] | None = None,
    ) -> None:
        """Prepare one host per protocol family; nothing is started yet.

        All three are called in the event loop, `on_fast` as soon as a fast reading arrives.
        """
        self._config = config
        self._on_status = on_status
        self.connections = {device.tag: Connection() for device in config.devices}
        families: dict[str, list[DeviceConfig]] = defaultdict(list)
        for device in config.devices:
            families[device.driver].append(device)
        self.hosts = {
            driver: DriverHost(
                driver,
                [spec_of(device) for device in devices],
                on_bundle,
                self._note_status,
                on_fast=on_fast,
                resume=_own(resume, devices),
                realtime=config.fast_loop.realtime_priority,
            )
            for driver, devices in families.items()
        }
        self._host_of = {device.tag: self.hosts[device.driver] for device in config.devices}

    async def start(self) -> None:
        """Start all driver processes."""
        for host in self.hosts.values():
            await host.start()

    async def close(self) -> None:
        """End all driver processes in good order."""
        await asyncio.gather(*(host.close() for host in self.hosts.values()))

    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Carry out a command on the device's own driver."""
        host = self._host_of.get(command.device)
        if host is None:
            reason = f"no device {command.device!r} is configured"
            return Refused(command.id, now_ms(), reason)
        return await host.command(command)

    def resume_points(self) -> dict[str, str]:
        """Return the resume points of all drivers at this moment."""
        points: dict[str, str] = {}
        for host in self.hosts.values():
            points |= host.resume_points
        return points

    def disconnected(self) -> dict[str, str]:
        """Return the reason by tag of every device whose connection is gone."""
        return {
            tag: connection.reason
            for tag, connection in self.connections.items()
            if connection.connected is False
        }

    def missed_report(self) -> dict[str, Any]:
        """Return counts and names of the samples that devices were asked for in vain."""
        return missed_report(host.missed for host in self.hosts.values())

    def fast_report(self) -> dict[str, dict[str, Any]]:
        """Return how each fast lane keeps its grid, by device; none of a driver that is down."""
        return {
            tag: fast_report(health)
            for host in self.hosts.values()
            for tag, health in host.fast_health.items()
        }

    @property
    def restarts(self) -> dict[str, int]:
        """How often each driver process was replaced."""
        return {driver: host.restarts for driver, host in self.hosts.items()}

    async def run_heartbeats(self, period_s: float, alive: Callable[[], bool]) -> None:
        """Tell every BMS each period that the station lives, until cancelled.

        Args:
            period_s: time from one beat to the next.
            alive: whether the station controls; while it does not, no BMS is told that it does.
        """
        racks = [rack.tag for rack in self._config.with_role(Role.RACK)]
        beat = 0
        while True:
            await asyncio.sleep(period_s)
            if not alive():
                continue
            beat = (beat + 1) % _HEARTBEAT_MODULUS
            deadline_ms = now_ms() + _HEARTBEAT_DEADLINE_MS
            await asyncio.gather(
                *(
                    self.command(
                        DeviceCommand(
                            f"beat-{tag}-{beat}",
                            tag,
                            _HEARTBEAT,
                            float(beat),
                            deadline_ms,
                        )
                    )
                    for tag in racks
                    if self.connections[tag].connected
                )
            )

    def _note_status(self, status: DeviceStatus) -> None:
        if status.device not in self.connections:
            return
        self.connections[status.device] = Connection(
            status.connected, status.reason, status.since_ms
        )
        self._on_status(status)


def _own(resume: Mapping[str, str], devices: Sequence[DeviceConfig]) -> dict[str, str]:
    """Return the resume points of these devices; a host would hand out others' for ever."""
    tags = {device.tag for device in devices}
    return {key: token for key, token in resume.items() if key.partition("/")[0] in tags}


def spec_of(device: DeviceConfig) -> DeviceSpec:
    """What a driver must know of a device."""
    return DeviceSpec(
        device=device.tag,
        profile=device.profile,
        host=device.host,
        port=device.port,
        unit=device.unit,
        ied=device.ied,
        mapping=device.mapping,
        topic=device.topic,
        access="" if device.access is None else str(device.access),
    )


def cells_of_racks(config: StationConfig) -> dict[str, int]:
    """Return how many cells each rack's device tells, by tag; 0 where nobody knows."""
    return {rack.tag: cells_of(rack.driver, spec_of(rack)) for rack in config.with_role(Role.RACK)}
