"""The listeners for stations: TLS 1.3 only, and the verified certificate reaches the application.

uvicorn hands the application no peer certificate; a small subclass of its HTTP protocol reads it
once per connection and puts the identity into the ASGI scope. A handshake that fails (no, a
foreign or an expired certificate) is told to the book of refusals.
"""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    Scope,
)
from uvicorn.protocols.http.h11_impl import H11Protocol

from cloud.access.pki import PeerIdentity, read_identity
from cloud.errors import IdentityRefused

_log = logging.getLogger(__name__)
_PEER = "stationmaster.peer"

Refusal = Callable[[str], None]
"""Called with the reason of a failed handshake."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Context of a listener that proves only itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def mutual_context(
    certificate: Path, key: Path, authority: Path, refused: Refusal
) -> ssl.SSLContext:
    """Context of the edge listener: only certificates of our own authority get through."""
    context = server_context(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.num_tickets = 0  # every connection proves its certificate anew

    class Watched(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError):
                raise  # not finished yet, or hung up before saying who it is
            except ssl.SSLError as error:
                refused(_reason(error))
                raise

    context.sslobject_class = Watched
    return context


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.reason or str(error)


class PeerProtocol(H11Protocol):
    """HTTP/1.1 whose requests carry the identity of the client certificate.

    Attributes:
        source: address and port of the client where a trusted proxy has told them.
    """

    source: tuple[str, int] | None = None

    def connection_made(self, transport: Any) -> None:
        """Read the identity once; every request of this connection gets it."""
        super().connection_made(transport)
        self.client = self.source or self.client
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der:
            self.app = _with_peer(self.app, _identity(der))


def _identity(der: bytes) -> PeerIdentity | None:
    try:
        return read_identity(der)
    except IdentityRefused as error:
        _log.warning("certificate refused reason=%s", error)
        return None


def _with_peer(app: ASGI3Application, peer: PeerIdentity | None) -> ASGI3Application:
    async def wrapped(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            extensions = scope.setdefault("extensions", {})
            assert extensions is not None  # noqa: S101 - set on the line before
            extensions[_PEER] = {"identity": peer}
        await app(scope, receive, send)

    return wrapped


def peer_of(request: Request) -> PeerIdentity:
    """Return who sent a request.

    Raises:
        IdentityRefused: the connection has no client certificate of a station.
    """
    found = request.scope.get("extensions", {}).get(_PEER)
    identity = found["identity"] if found else None
    if not isinstance(identity, PeerIdentity):
        raise IdentityRefused("the connection has no certificate of a station")
    return identity
