"""A Modbus TCP server with a door: who may come in, how many, and how fast they may speak.

One client at a time, from listed networks; a client that has said nothing for so long that it
counts as lost gives its place to the next. Requests are paced, so that a client in a tight
loop cannot take the station's time.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address

from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import SimDevice

from station.centre.port import Network

log = logging.getLogger(__name__)

_PACE_S = 0.01
"""At most a hundred requests a second: a centre asks once, and a request costs 0.2 ms."""


Rest = Callable[[Callable[[], None]], None]


class GuardedServer(ModbusTcpServer):
    """The library's server, with a door.

    Attributes:
        guest: the client that is in.
        turned_away: clients that were not let in.
        rest: between one thing that a client says and the next.
    """

    def __init__(
        self,
        device: SimDevice,
        host: str,
        port: int,
        allow: Sequence[Network],
        patience_s: float,
        *,
        rest: Rest | None = None,
    ) -> None:
        """Prepare; `open` listens.

        Args:
            device: the registers.
            host: address to listen on.
            port: TCP port, 0 lets the system choose.
            allow: networks whose clients may come in.
            patience_s: a client silent for longer makes room for another.
            rest: calls what it is given when a client may be heard again; after `_PACE_S` when
                left out.
        """
        self.guest: Guest | None = None
        self.turned_away = 0
        self._allow = tuple(allow)
        self._patience_s = patience_s
        self.rest = rest or _for_a_moment
        super().__init__(device, address=(host, port))

    async def open(self) -> None:
        """Listen.

        Raises:
            RuntimeError: the address is taken or not ours.
        """
        await self.serve_forever(background=True)

    @property
    def port(self) -> int:
        """The port in use."""
        sockets = getattr(self.transport, "sockets", ())
        return int(sockets[0].getsockname()[1]) if sockets else 0

    def callback_new_connection(self) -> "Guest":
        """Meet a client at the door."""
        return Guest(self)

    def admits(self, peer: str) -> bool:
        """Whether a client from this address may come in now; a silent one makes room."""
        address = plain_address(peer)
        if not any(address in network for network in self._allow):
            reason = "not_listed"
        elif self.guest is not None and self.guest.silent_s() <= self._patience_s:
            reason = "occupied"
        else:
            return True
        self.turned_away += 1
        log.warning("event=centre_turned_away peer=%s reason=%s", peer, reason)
        return False


class Guest(ServerRequestHandler):
    """One client."""

    def __init__(self, server: GuardedServer) -> None:
        """Wait for the connection."""
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]
        self._house = server
        self._heard_s = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since it said anything."""
        return time.monotonic() - self._heard_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or close the door before it has said a word."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer is None or not self._house.admits(str(peer[0])):
            self.close()
            return
        previous, self._house.guest = self._house.guest, self
        if previous is not None:
            previous.close()
        log.info("event=centre_connected peer=%s", peer[0])

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Free the place."""
        super().callback_disconnected(exc)
        if self._house.guest is self:
            self._house.guest = None
            log.info("event=centre_disconnected")

    def data_received(self, data: bytes) -> None:
        """Take what it says, and hear no more for a moment."""
        self._heard_s = time.monotonic()
        transport = self.transport
        super().data_received(data)
        if isinstance(transport, asyncio.Transport) and not transport.is_closing():
            transport.pause_reading()
            self._house.rest(partial(_resume, transport))


def _for_a_moment(then: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(_PACE_S, then)


def _resume(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()


def plain_address(peer: str) -> IPv4Address | IPv6Address:
    """Return an address; one of IPv4 inside IPv6 counts as IPv4.

    Raises:
        ValueError: it is no address.
    """
    address = ip_address(peer.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
