"""What can go wrong between the station and its devices.

StationError
└── ProtocolError
    ├── ProfileError      a device profile or SCL file is wrong: nothing was read or written
    ├── UnknownDriver     the configuration names a protocol that nobody offers
    ├── DeviceUnreachable no connection, or no answer in time: try again later
    ├── BadReply          the device answered, but not what was asked: the reply is discarded
    └── WrongDevice       another device answers than the one meant: nothing of it is taken
"""

from collections.abc import Sequence

from station.errors import StationError


class ProtocolError(StationError):
    """Root of the protocol room."""


class ProfileError(ProtocolError):
    """A device profile is refused; built from file, key and remedy.

    Attributes:
        also: what else is wrong with the same file.
    """

    also: tuple["ProfileError", ...] = ()

    def __init__(self, file: str, key: str, problem: str, remedy: str) -> None:
        """Name the file, the key inside it, what is wrong with it and how to mend it."""
        super().__init__(f"{file}: {key}: {problem}; {remedy}")
        self.file = file
        self.key = key
        self.problem = problem
        self.remedy = remedy

    @classmethod
    def of(cls, problems: Sequence["ProfileError"]) -> "ProfileError":
        """Return the first of a file's problems, which knows the others; there is at least one."""
        first = problems[0]
        first.also = tuple(problems[1:])
        return first


class UnknownDriver(ProtocolError):  # noqa: N818 - reads as a fact: unknown driver
    """No driver of this name is built in or installed."""


class DeviceUnreachable(ProtocolError):  # noqa: N818 - reads as a fact: device unreachable
    """The device cannot be connected to, or stayed silent past its time-out."""


class BadReply(ProtocolError):  # noqa: N818 - reads as a fact: bad reply
    """The device's answer does not match the question and is discarded whole."""


class WrongDevice(ProtocolError):  # noqa: N818 - reads as a fact: wrong device
    """The device is not the one that its profile describes, or not the unit that was asked."""
