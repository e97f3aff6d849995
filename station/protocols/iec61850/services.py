"""What the library's error codes mean: a lost connection is told apart from a refused service."""

import ctypes as c
from collections.abc import Mapping

from station.protocols.errors import DeviceUnreachable, ProtocolError
from station.protocols.iec61850 import lib as m

GONE = (m.NOT_CONNECTED, m.CONNECTION_LOST, m.TIMEOUT)


class ServiceFailed(ProtocolError):  # noqa: N818 - reads as a fact: service failed
    """The IED refused a service; `code` is the library's, or the device's own."""

    def __init__(self, what: str, code: int, words: Mapping[int, str] = m.ERRORS) -> None:
        """Say which service on which object, and why not; `words` are those of its codes."""
        super().__init__(f"{what}: {words.get(code, f'error {code}')}")
        self.code = code


def check(what: str, error: c.c_int) -> None:
    """Raise for a library error.

    Args:
        what: the service and its object, for people.
        error: the code that the library has left.

    Raises:
        DeviceUnreachable, ServiceFailed: it is one.
    """
    if error.value in GONE:
        raise DeviceUnreachable(f"{what}: {m.ERRORS[error.value]}")
    if error.value:
        raise ServiceFailed(what, error.value)
