"""The PROXY protocol, version 2: how a proxy that sees no plain text tells who connects.

Layout (haproxy.org, proxy-protocol.txt, section 2.2): 12 bytes of signature, version and
command, family, length; then source address, destination address and both ports; then extensions
that are skipped. All numbers are big-endian.
"""

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

from cloud.errors import Refused

FIXED_BYTES: Final = 16
_FIXED: Final = struct.Struct("!12sBBH")
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_ADDRESS_BYTES: Final = {0x11: 4, 0x21: 16}
"""Families: TCP over IPv4, TCP over IPv6."""
_PORTS_BYTES: Final = 4
_MOST_BYTES: Final = 1 << 10
"""Addresses take 36 at most; what a proxy adds as extensions is shorter than this."""

Source = tuple[str, int]
"""Address and port of a client."""


class ProxyRefused(Refused):
    """A connection does not come from a trusted proxy, or begins with no valid header."""

    code = "proxy_refused"
    status = 403


@dataclass(frozen=True)
class HeaderStart:
    """What the first 16 bytes say.

    Attributes:
        address_bytes: of one address; 0 when the proxy speaks for itself (a health check).
        length: bytes that follow.
    """

    address_bytes: int
    length: int


def read_start(fixed: bytes) -> HeaderStart:
    """Read the first 16 bytes of a header.

    Raises:
        ProxyRefused: not a header of version 2, or not of a TCP connection.
    """
    signature, command, family, length = _FIXED.unpack(fixed)
    if signature != _SIGNATURE:
        raise ProxyRefused("the connection begins with no PROXY v2 header")
    if length > _MOST_BYTES:
        raise ProxyRefused(f"the PROXY header announces {length} bytes, at most {_MOST_BYTES} fit")
    if command == _LOCAL:
        return HeaderStart(0, length)
    width = _ADDRESS_BYTES.get(family, 0)
    if command != _PROXY or not width or length < 2 * width + _PORTS_BYTES:
        raise ProxyRefused(
            f"the PROXY header has command {command:#04x}, family {family:#04x}, {length} bytes"
        )
    return HeaderStart(width, length)


def read_source(start: HeaderStart, rest: bytes) -> Source | None:
    """Read the client's address and port from what follows; None when there is no client."""
    width = start.address_bytes
    if not width:
        return None
    (port,) = struct.unpack_from("!H", rest, 2 * width)
    return str(ipaddress.ip_address(rest[:width])), port
