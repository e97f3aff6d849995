"""Drivers: how the station reads and commands its devices. The public face of this room."""

from station.protocols.driver import (
    Accepted,
    CommandOutcome,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    Reading,
    Refused,
    ResumePoint,
    TimedOut,
)
from station.protocols.host import DriverHost

__all__ = [
    "Accepted",
    "CommandOutcome",
    "DeviceCommand",
    "DeviceSpec",
    "DeviceStatus",
    "DriverHost",
    "Reading",
    "Refused",
    "ResumePoint",
    "TimedOut",
]
