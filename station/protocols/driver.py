"""The driver port: the one face that every protocol family shows to the station.

A driver knows a protocol, never a vendor; a profile (data) makes it a converter or a
battery rack. It hands over readings (arrays, quality, device time) and device states, and
carries out commands. A third party ships a driver without touching this package: an entry
point in the group ``stationmaster.drivers`` whose name is the driver's.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points

import numpy as np
import numpy.typing as npt

from station.protocols.errors import UnknownDriver

ENTRY_POINT_GROUP = "stationmaster.drivers"
ONLINE = "online"
"""Given instead of an SCL file: the device is asked what it has when the link stands."""

BUILT_IN: Mapping[str, str] = {
    "modbus": "station.protocols.modbus.driver:ModbusDriver",
    "iec61850": "station.protocols.iec61850.driver:Iec61850Driver",
    "mqtt": "station.protocols.mqtt.driver:MqttDriver",
}


@dataclass(frozen=True)
class DeviceSpec:
    """What a driver must know of one device.

    Attributes:
        device: the tag of the device in this station, for example ``C1-R03``.
        profile: path of the device profile (Modbus) or SCL file (IEC 61850); a bare file
            name is looked up among the profiles that ship with the station. `ONLINE` instead
            of an SCL file lets the device tell what it has.
        host: network address of the server.
        port: TCP port of the server.
        unit: Modbus unit id behind that server.
        ied: IED name inside the SCL file (IEC 61850); empty takes the file's only one.
        mapping: path of the signal mapping (IEC 61850); empty takes the standard one.
        topic: the sensor's own part of its profile's topics (MQTT).
        access: path of the file with user and TLS of the broker (MQTT); empty enters without.
    """

    device: str
    profile: str
    host: str
    port: int
    unit: int = 1
    ied: str = ""
    mapping: str = ""
    topic: str = ""
    access: str = ""


@dataclass(frozen=True, eq=False)
class Reading:
    """One sample: everything one device said in one layout at one device time.

    Attributes:
        device: tag of the device.
        layout: name of the layout in ``contract.layouts``.
        time_ms: device time, epoch milliseconds; the identity of the sample.
        received_ms: station time at which the last byte of it arrived.
        values: one array per layout column, raw scaled integers, shape (repeat,).
        quality: ``contract.frame.Quality`` of each value, uint8, shape (width,).
    """

    device: str
    layout: str
    time_ms: int
    received_ms: int
    values: tuple[npt.NDArray[np.generic], ...]
    quality: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FastReading:
    """What a device said outside the rhythm of readings: on the fast lane, or on a change.

    Attributes:
        device: tag of the device.
        layout: name of the layout in ``contract.layouts``.
        time_ms: device time of the values where the device gives one with them, else
            `received_ms`; epoch milliseconds. Many fast readings may share a device time.
        received_ms: station time at which they arrived.
        values: signals in their own units, states as numbers; NaN where the device gives no
            valid or no plausible value. Signals that are not in it have not been asked.
    """

    device: str
    layout: str
    time_ms: int
    received_ms: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class FastHealth:
    """How a fast lane keeps its grid; published every few seconds.

    Attributes:
        device: tag of the device.
        connected: whether the lane's own connection stands and answers.
        reads: readings handed over since the driver process started.
        missed: slots of the grid without a reading, since the same moment.
        latency_p50_ms, latency_p99_ms: from question to answer, over the last minute; NaN
            before the first answer.
        late_p99_ms: how long after its slot began a question was asked, over the last minute.
    """

    device: str
    connected: bool
    reads: int
    missed: int
    latency_p50_ms: float
    latency_p99_ms: float
    late_p99_ms: float


@dataclass(frozen=True)
class MissedReading:
    """A sample that the driver asked for and did not get whole, told so that nothing goes unsaid.

    Attributes:
        device: tag of the device.
        layout: name of the layout in ``contract.layouts``.
        time_ms: device time of the sample; of a device that did not tell it, the second in
            which it was asked.
        kind: ``torn`` (its clock moved on while it was read) or ``no_answer``.
        reason: what happened, in words.
    """

    device: str
    layout: str
    time_ms: int
    kind: str
    reason: str


@dataclass(frozen=True)
class DeviceStatus:
    """Whether a device answers; published on each change, with the reason in words."""

    device: str
    connected: bool
    reason: str
    since_ms: int


@dataclass(frozen=True)
class ResumePoint:
    """Where a buffered source continues: handed back to a restarted driver, it loses nothing.

    Attributes:
        key: the device's tag, a slash, and what names the source at it (for IEC 61850 the report
            control block).
        token: opaque to all but the driver (for IEC 61850 the entry id in hexadecimal).
    """

    key: str
    token: str


@dataclass(frozen=True)
class DeviceCommand:
    """One order to one device: write ``value`` to ``point`` before ``deadline_ms``.

    Points are signal names (``active_power_setpoint_kw``) or verbs of the profile
    (``start``, ``stop``, ``close_contactor``, ``heartbeat``); values in the signal's unit.
    """

    id: str
    device: str
    point: str
    value: float
    deadline_ms: int


@dataclass(frozen=True)
class Accepted:
    """The device confirmed the command."""

    id: str
    at_ms: int


@dataclass(frozen=True)
class Refused:
    """The command had no effect: the device or the profile refused it, and why."""

    id: str
    at_ms: int
    reason: str


@dataclass(frozen=True)
class TimedOut:
    """No confirmation before the deadline: the command may or may not have taken effect."""

    id: str
    at_ms: int
    reason: str


CommandOutcome = Accepted | Refused | TimedOut
Publication = Reading | FastReading | FastHealth | MissedReading | DeviceStatus | ResumePoint
Publish = Callable[[Publication], None]


@dataclass(frozen=True)
class DriverSetup:
    """What a driver process is started with."""

    driver: str
    devices: tuple[DeviceSpec, ...]
    resume: Mapping[str, str] = field(default_factory=dict)


class Driver(ABC):
    """A protocol family, serving all its devices inside one process."""

    @abstractmethod
    def __init__(self, devices: Sequence[DeviceSpec], resume: Mapping[str, str]) -> None:
        """Load and check every profile.

        Args:
            devices: the devices to serve.
            resume: tokens of earlier `ResumePoint`s by key; empty on a first start.

        Raises:
            ProfileError: a profile is missing or wrong.
        """

    @abstractmethod
    async def run(self, publish: Publish) -> None:
        """Serve all devices until cancelled or closed, reconnecting by itself."""

    @abstractmethod
    async def command(self, command: DeviceCommand) -> CommandOutcome:
        """Carry out one command; never raises for what a device does."""

    @abstractmethod
    async def close(self) -> None:
        """Leave the devices in good order; `run` returns."""

    def healthy(self) -> bool:
        """Whether the driver makes progress; a False lets the watchdog restart the process."""
        return True


def available_drivers() -> dict[str, str]:
    """Return ``name -> module:class`` of built-in and installed drivers."""
    found = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {**found, **BUILT_IN}


def load_driver(name: str) -> type[Driver]:
    """Return the driver class of this name, importing it only now.

    Raises:
        UnknownDriver: nobody offers it.
    """
    drivers = available_drivers()
    if name not in drivers:
        raise UnknownDriver(
            f"driver {name!r} is unknown; choose one of {', '.join(sorted(drivers))} "
            f"or install a package with the entry point group {ENTRY_POINT_GROUP!r}"
        )
    module, _, attribute = drivers[name].partition(":")
    loaded: type[Driver] = getattr(importlib.import_module(module), attribute)
    return loaded
