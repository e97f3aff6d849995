"""The port of the grid's dispatch centre: what it may ask, and what it is shown.

Whatever carries the talk (Modbus registers, an IEC 60870-5-104 link), the station sees one
face. The port takes and shows; whether a request is followed is decided elsewhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from contract.frame import Quality

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class PortSettings:
    """Where the port listens and to whom.

    Attributes:
        host, port: the address; port 0 lets the system choose.
        allow: networks that may connect.
        timeout_s: so long without a sign of life, and the centre is lost.
        rated_kw, rated_kvar: requests beyond these are refused.
    """

    host: str
    port: int
    allow: Sequence[Network]
    timeout_s: float
    rated_kw: float
    rated_kvar: float


class CentreState(IntEnum):
    """What the station makes of the centre; shown to it as a number, 0..5.

    LIMITED follows within a limit; BLOCKED is by protection or local control; LOST is without a
    heartbeat.
    """

    OFF = 0
    READY = 1
    FOLLOWING = 2
    LIMITED = 3
    BLOCKED = 4
    LOST = 5


@dataclass(frozen=True)
class CentreRequest:
    """What the centre asks for at the moment.

    Attributes:
        enabled: the centre wants control; without it the numbers mean nothing.
        power_kw: active power at the meter, discharge positive.
        reactive_kvar: reactive power at the meter; None when the centre leaves it alone.
        received_ms: station time of the write that last changed the request, epoch ms.
        heartbeat_ms: age of the centre's last sign of life, milliseconds.
    """

    enabled: bool
    power_kw: float
    reactive_kvar: float | None
    received_ms: int
    heartbeat_ms: int


@dataclass(frozen=True)
class CentreView:
    """What the centre is shown; NaN where the station does not know.

    Attributes:
        time_ms: station time of the values, epoch ms.
        power_kw, reactive_kvar, frequency_hz: at the meter, discharge positive.
        soc: 0..1.
        low_kw: the most it could charge now, zero or negative.
        high_kw: the most it could discharge now.
        discharge_kwh: energy it can still give.
        charge_kwh: energy it can still take.
        remote: whether the local/remote switch stands on remote.
        state: what the station makes of the centre.
        accepted_kw, accepted_kvar: the request as granted; NaN when none is followed.
        binding: number of the limit that bites (``contract.limits.LimitReason``), 0 for none.
    """

    time_ms: int
    power_kw: float = math.nan
    reactive_kvar: float = math.nan
    frequency_hz: float = math.nan
    soc: float = math.nan
    low_kw: float = math.nan
    high_kw: float = math.nan
    discharge_kwh: float = math.nan
    charge_kwh: float = math.nan
    remote: bool = False
    state: CentreState = CentreState.OFF
    accepted_kw: float = math.nan
    accepted_kvar: float = math.nan
    binding: int = 0


@dataclass(frozen=True)
class PointValue:
    """A device's value for the centre.

    Attributes:
        value: in the signal's unit; a state as its number; NaN where it is not known.
        quality: of the value.
        time_ms: device time, epoch ms.
        stale: it is older than its limit, or the device is not heard.
    """

    value: float
    quality: Quality
    time_ms: int
    stale: bool


class DispatchCentre(Protocol):
    """The one face that every link to a dispatch centre shows to the station."""

    async def start(self) -> None:
        """Open the port.

        Raises:
            CentreUnavailable: it cannot be opened.
        """

    async def close(self) -> None:
        """Close the port and all connections."""

    @property
    def restarts(self) -> int:
        """How many times its process was replaced."""

    @property
    def refused(self) -> Mapping[str, int]:
        """How often something was refused, by the name of its reason."""

    @property
    def device_signals(self) -> frozenset[tuple[str, str]]:
        """Device and signal of everything that it shows of devices."""

    @property
    def lost(self) -> bool:
        """Whether the centre's sign of life has stayed away for too long."""

    @property
    def connected(self) -> bool:
        """Whether the centre has a connection at the moment."""

    def request(self) -> CentreRequest | None:
        """Return what the centre asks for; None when it has asked nothing or is lost."""

    def show(
        self, view: CentreView, signals: Mapping[tuple[str, str], PointValue] | None = None
    ) -> None:
        """Let the centre see the station, and its devices, as they are now."""
