"""Drivers: how the station reads and commands its devices. The public face of this room."""

from station.protocols.bundle import Bundle
from station.protocols.driver import (
    Accepted,
    CommandOutcome,
    DeviceCommand,
    DeviceSpec,
    DeviceStatus,
    FastHealth,
    FastReading,
    MissedReading,
    Reading,
    Refused,
    ResumePoint,
    TimedOut,
)
from station.protocols.errors import ProfileError, ProtocolError, UnknownDriver
from station.protocols.health import fast_report
from station.protocols.host import DriverHost
from station.protocols.missed import report as missed_report
from station.protocols.preflight import cells_of, check_device

__all__ = [
    "Accepted",
    "Bundle",
    "CommandOutcome",
    "DeviceCommand",
    "DeviceSpec",
    "DeviceStatus",
    "DriverHost",
    "FastHealth",
    "FastReading",
    "MissedReading",
    "ProfileError",
    "ProtocolError",
    "Reading",
    "Refused",
    "ResumePoint",
    "TimedOut",
    "UnknownDriver",
    "cells_of",
    "check_device",
    "fast_report",
    "missed_report",
]
