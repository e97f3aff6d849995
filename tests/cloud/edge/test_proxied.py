"""The edge listener behind a proxy: the identity stays the handshake's, the address the header's.

The tests play the proxy: their own address 127.0.0.1 is trusted, other loopback addresses not.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn

from cloud.access.enrolment import revoke
from cloud.app import create_edge_app
from cloud.edge import PeerProtocol, mutual_context
from cloud.servers import ProxiedServer, opening_address
from tests.cloud.test_proxy_header import header
from tests.waiting import wait_for

CLIENT = "203.0.113.9"
REQUEST = b"GET /edge/v1/orders HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n"


@dataclass
class Door:
    """An edge listener that trusts 127.0.0.1 to be a proxy."""

    port: int

    async def ask(
        self, opening: bytes, context: ssl.SSLContext, *, come_from: str = "127.0.0.1"
    ) -> bytes:
        """Send `opening`, shake hands, ask for orders; what was answered, empty when refused."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(come_from, 0)
        )
        try:
            writer.write(opening)
            await writer.start_tls(context, server_hostname="127.0.0.1")
            writer.write(REQUEST)
            return await reader.read()
        except (ssl.SSLError, ConnectionError, EOFError):
            return b""
        finally:
            writer.close()


@pytest.fixture
async def door(site) -> AsyncIterator[Door]:
    book, authority = site.worker.edge.book, site.authority
    tls = mutual_context(
        *authority.server_files(["127.0.0.1"]),
        authority.certificate_file,
        lambda reason: book.note("handshake_refused", source=opening_address(), reason=reason),
    )
    config = uvicorn.Config(
        create_edge_app(site.worker.edge), http=PeerProtocol, ws="none", log_config=None
    )
    server = ProxiedServer(
        config,
        tls,
        ["127.0.0.1"],
        lambda source, reason: book.note("proxy_refused", source=source, reason=reason),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    serving = asyncio.create_task(server.serve([listener]))
    await wait_for(lambda: server.started, "the listener")
    yield Door(listener.getsockname()[1])
    server.should_exit = True
    await serving


async def certified(site) -> ssl.SSLContext:
    """The TLS context of a station that has enrolled."""
    fake, http = await site.enrol()
    issued = await http.post("/edge/v1/renew", json={"csr": fake.csr()})
    return fake.context(site.authority, issued.json()["certificate"].encode())


async def refused(site) -> list[tuple[str, str]]:
    await site.worker.edge.book.flush()
    return await site.all("SELECT kind, source FROM security_events ORDER BY id")


async def test_a_station_is_known_by_its_certificate_through_a_proxy(site, door):
    context = await certified(site)

    answer = await door.ask(header(CLIENT, 4711), context)

    assert answer.startswith(b"HTTP/1.1 204")
    assert await refused(site) == []


@pytest.mark.parametrize("client", [CLIENT, "2001:db8::9"])
async def test_the_book_of_refusals_names_the_client_not_the_proxy(site, door, client):
    context = await certified(site)
    await revoke(site.pool, "alpha", "stolen")

    answer = await door.ask(header(client, 4711), context)

    assert answer.startswith(b"HTTP/1.1 403")
    assert await refused(site) == [("revoked", client)]


async def test_without_a_certificate_nobody_gets_through_and_the_client_is_noted(site, door):
    anonymous = ssl.create_default_context(cadata=site.authority.certificate_pem.decode())

    assert await door.ask(header(CLIENT, 4711), anonymous) == b""

    assert await refused(site) == [("handshake_refused", CLIENT)]


async def test_a_header_from_an_untrusted_address_opens_nothing(site, door):
    context = await certified(site)

    answer = await door.ask(header(CLIENT, 4711), context, come_from="127.0.0.9")

    assert answer == b""
    assert await refused(site) == [("proxy_refused", "127.0.0.9")]


@pytest.mark.parametrize(
    "opening", [b"", header(CLIENT, 1)[:-1], b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2"]
)
async def test_a_trusted_proxy_must_send_a_whole_header(site, door, opening):
    context = await certified(site)

    assert await door.ask(opening, context) == b""

    assert len(await refused(site)) == 1


async def test_a_proxy_may_knock_for_itself(site, door):
    context = await certified(site)

    answer = await door.ask(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", context)

    assert answer.startswith(b"HTTP/1.1 204")
