"""A device that somebody asks by hand: what its errors mean, and whether it has ever answered."""

from dataclasses import dataclass

from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.modbus.client import Connection, DeviceRefused
from station.protocols.modbus.gather import Registers
from station.protocols.modbus.place import Space

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS = 1, 2


class Silent(DeviceUnreachable):
    """The device has not answered a single request."""


@dataclass
class Target:
    """Where a device is asked, and whether it has ever answered."""

    connection: Connection
    unit: int
    timeout_s: float
    answered: bool = False

    async def read(self, space: Space, address: int, count: int) -> Registers:
        """Read registers of the device, over a new connection where the last one broke.

        Raises:
            Silent: no answer, as to all requests before.
            ProtocolError: as `Connection.read`.
        """
        try:
            if not self.connection.connected:
                await self.connection.connect(self.timeout_s)
            words = await self.connection.read(self.unit, space, address, count, self.timeout_s)
        except DeviceUnreachable as error:
            if self.answered:
                raise
            raise Silent(with_remedy(error)) from error
        except ProtocolError:
            self.answered = True
            raise
        self.answered = True
        return words


def remedy(error: ProtocolError) -> str:
    """Return what to do about an error of a request, in words; empty where nobody knows."""
    if isinstance(error, DeviceRefused):
        if error.code == _ILLEGAL_FUNCTION:
            return "the device has no such address space: take another `space`"
        if error.code == _ILLEGAL_ADDRESS:
            return (
                "the device has no register there: the profile is of another device or version, or "
                "the request spans a hole; then set max_gap = 0 under [polling]"
            )
        if error.is_silence:
            return "the gateway finds no such unit: see --unit and the bus behind it"
    if isinstance(error, DeviceUnreachable):
        return "see --unit (many gateways ignore wrong ones), or wait longer with --timeout"
    return ""


def with_remedy(error: ProtocolError) -> str:
    """Return an error with what to do about it."""
    advice = remedy(error)
    return f"{error}; {advice}" if advice else str(error)
