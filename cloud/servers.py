"""The HTTP servers of a worker: uvicorn, and uvicorn behind a proxy that passes TLS through.

Such a proxy sees no plain text and holds no key of ours: a station proves its identity in its
handshake with us. Only its address would be lost, so the proxy tells it in a header before the
handshake. The header is required from every connection, and only the configured addresses may
send one; whoever else connects is refused before a byte of ours is sent.
"""

import asyncio
import contextlib
import contextvars
import errno
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Collection, Coroutine, Iterator
from functools import partial
from typing import Any, Final

import uvicorn

from cloud.edge import PeerProtocol
from cloud.proxy_header import FIXED_BYTES, ProxyRefused, Source, read_source, read_start

_log = logging.getLogger(__name__)

_HEADER_S: Final = 5.0
_HANDSHAKE_S: Final = 20.0
_PAUSE_S: Final = 1.0
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Refusal = Callable[[str, str], None]
"""Called with the address and the reason when a connection is refused."""

_client: contextvars.ContextVar[Source | None] = contextvars.ContextVar("client", default=None)


def opening_address() -> str:
    """Address of the client that is in its handshake; empty where no proxy tells it."""
    found = _client.get()
    return found[0] if found else ""


class Server(uvicorn.Server):
    """A server that leaves signals to the worker, which has several servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class ProxiedServer(Server):
    """A server of TLS connections that come through trusted proxies."""

    def __init__(
        self,
        config: uvicorn.Config,
        tls: ssl.SSLContext,
        trusted: Collection[str],
        refused: Refusal,
    ) -> None:
        """Serve what `config` says to clients behind the proxies at the `trusted` addresses."""
        super().__init__(config)
        self._tls, self._refused = tls, refused
        self._trusted = frozenset(ipaddress.ip_address(one) for one in trusted)
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start without uvicorn's own acceptors, then accept on `sockets`."""
        await super().startup(sockets=[])
        for listener in sockets or []:
            self._spawn(self._accept(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, then finish what has begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().shutdown(sockets)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _log.error("connections wait reason=%s", error.strerror)
                    await asyncio.sleep(_PAUSE_S)
                continue
            self._spawn(self._open(connection, peer[0]))

    async def _open(self, connection: socket.socket, peer: str) -> None:
        """Take one connection over, or refuse it before a byte of ours is sent."""
        try:
            async with asyncio.timeout(_HEADER_S):
                source = await self._source_of(connection, peer)
        except (ProxyRefused, OSError, EOFError) as error:  # TimeoutError is an OSError
            connection.close()
            self._refused(peer, str(error) or "the PROXY header did not come in time")
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        _client.set(source)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(self._protocol, source),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_S,
            )
        except OSError:  # a failed handshake; the context has told why
            connection.close()

    async def _source_of(self, connection: socket.socket, peer: str) -> Source:
        if _plain(peer) not in self._trusted:
            raise ProxyRefused("the connection comes from no trusted proxy")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = read_start(await _exactly(connection, FIXED_BYTES))
        return read_source(start, await _exactly(connection, start.length)) or (peer, 0)

    def _protocol(self, source: Source) -> PeerProtocol:
        protocol = PeerProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        protocol.source = source
        return protocol


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address itself where a listener for both families shows ::ffff:a.b.c.d."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


async def _exactly(connection: socket.socket, count: int) -> bytes:
    """Receive `count` bytes and not one more: the next belong to TLS.

    Raises:
        EOFError: the peer hung up before.
    """
    loop, received = asyncio.get_running_loop(), bytearray()
    while len(received) < count:
        part = await loop.sock_recv(connection, count - len(received))
        if not part:
            raise EOFError("the connection ended within the PROXY header")
        received += part
    return bytes(received)
