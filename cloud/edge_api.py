"""The HTTP interface of stations. Every answer but 200 and 204 is {"code", "reason"}.

503 means "nothing was stored, offer it again"; only `stored` and `duplicate` let a station
delete what it sent.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cloud.access import enrolment
from cloud.access.pki import Authority, PeerIdentity
from cloud.catalogue import LayoutCatalogue
from cloud.db.pool import Pool
from cloud.edge import peer_of
from cloud.epochs import EpochKeys
from cloud.errors import CloudError, IdentityRefused, Refused, Unavailable
from cloud.fleet.delivery import keep_receipt, wait_for_orders
from cloud.fleet.models import chunk_for
from cloud.ingest import Gate, GroupCommit, Offer, Result
from cloud.live import intake
from cloud.news import News
from cloud.security import SecurityLog
from cloud.vault.vault import Vault
from contract.errors import ContractError
from contract.layouts import Layout

_MAX_SMALL_BYTES = 1 << 20
_MAX_WAIT_S = 60.0
_RETRY_AFTER = {"Retry-After": "1"}

Handler = Callable[[Request, PeerIdentity], Awaitable[Response]]


@dataclass(frozen=True)
class EdgeParts:
    """What the endpoints need of a worker."""

    pool: Pool
    vault: Vault
    gate: Gate
    commit: GroupCommit
    epochs: EpochKeys
    layouts: LayoutCatalogue
    book: SecurityLog
    news: News
    authority: Authority
    max_batch_bytes: int


def refusal(error: CloudError) -> Response:
    """The answer that says the same as the error."""
    if isinstance(error, Refused):
        body = {"code": error.code, "reason": error.reason}
        return JSONResponse(body, status_code=error.status)
    return JSONResponse({"code": "busy", "reason": str(error)}, 503, headers=_RETRY_AFTER)


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of at most `limit` bytes; more is refused before it is in memory."""
    parts = bytearray()
    try:
        async for part in request.stream():
            parts += part
            if len(parts) > limit:
                raise Refused(f"the body is over {limit} bytes", code="too_large", status=413)
    except ClientDisconnect as error:
        raise Refused("the connection broke off", code="disconnected") from error
    return bytes(parts)


class EdgeApi:
    """The endpoints of the mutual-TLS listener."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self.routes = [
            Route("/edge/v1/keys", self._answer(self._keys), methods=["POST"]),
            Route("/edge/v1/layouts/{hash}", self._answer(self._layouts), methods=["PUT"]),
            Route("/edge/v1/batches", self._answer(self._batches, book=True), methods=["POST"]),
            Route("/edge/v1/events", self._answer(self._events, book=True), methods=["POST"]),
            Route("/edge/v1/commands", self._answer(self._commands, book=True), methods=["POST"]),
            Route("/edge/v1/live", self._answer(self._live), methods=["POST"]),
            Route("/edge/v1/orders", self._answer(self._orders), methods=["GET"]),
            Route("/edge/v1/models/{sha256}", self._answer(self._models), methods=["GET"]),
            Route("/edge/v1/receipts", self._answer(self._receipts), methods=["POST"]),
            Route("/edge/v1/renew", self._answer(self._renew), methods=["POST"]),
        ]

    def _answer(
        self, handler: Handler, *, book: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Identify the peer, call the handler, turn refusals into answers.

        The ledger's own statement checks the certificate of what it stores (`book`); for all
        other requests it is looked up first.
        """

        async def answer(request: Request) -> Response:
            try:
                peer = peer_of(request)
                if not book:
                    await enrolment.require_valid(self._parts.pool, peer)
                return await handler(request, peer)
            except IdentityRefused as error:
                self._note(request, error)
                return refusal(error)
            except (Refused, Unavailable) as error:
                return refusal(error)

        return answer

    def _note(self, request: Request, error: IdentityRefused) -> None:
        source = request.client.host if request.client else ""
        with contextlib.suppress(IdentityRefused):
            peer = peer_of(request)
            self._parts.book.note(
                error.code, station=peer.station, source=source, serial=peer.serial
            )
            return
        self._parts.book.note("no_identity", source=source)

    async def _keys(self, request: Request, peer: PeerIdentity) -> Response:
        blob = await read_body(request, _MAX_SMALL_BYTES)
        try:
            await self._parts.epochs.announce(peer.station, blob)
        except ContractError as error:
            self._parts.book.note("key_refused", station=peer.station, reason=str(error))
            raise Refused(str(error), code="key_refused") from error
        except Refused as error:
            self._parts.book.note(error.code, station=peer.station, reason=error.reason)
            raise
        return Response(status_code=204)

    async def _layouts(self, request: Request, peer: PeerIdentity) -> Response:
        text = await read_body(request, _MAX_SMALL_BYTES)
        wanted = request.path_params["hash"]
        try:
            layout = Layout.from_json(text)
        except ContractError as error:
            self._parts.book.note("malformed", station=peer.station, reason=str(error))
            raise Refused(str(error), code="malformed") from error
        if layout.hash8.hex() != wanted:
            raise Refused(f"this layout has the hash {layout.hash8.hex()}", code="malformed")
        await self._parts.layouts.store(layout)
        return Response(status_code=204)

    async def _batches(self, request: Request, peer: PeerIdentity) -> Response:
        body = await read_body(request, self._parts.max_batch_bytes)
        offer = await self._parts.gate.telemetry(peer, body)
        return await self._store(offer)

    async def _events(self, request: Request, peer: PeerIdentity) -> Response:
        body = await read_body(request, self._parts.max_batch_bytes)
        return await self._store(await self._parts.gate.events(peer, body))

    async def _commands(self, request: Request, peer: PeerIdentity) -> Response:
        body = await read_body(request, self._parts.max_batch_bytes)
        return await self._store(await self._parts.gate.commands(peer, body))

    async def _store(self, offer: Offer) -> Response:
        result = await self._parts.commit.offer(offer)
        if result is Result.UNTRUSTED:
            raise IdentityRefused("this certificate is revoked or unknown", code="revoked")
        if result is Result.CONFLICT:
            self._parts.book.note(
                "conflict",
                station=offer.station,
                epoch=offer.epoch,
                stream=offer.stream,
                sequence=offer.sequence,
                sha256=offer.sha256.hex(),
            )
            raise Refused(
                f"sequence {offer.sequence} of epoch {offer.epoch} was stored with other content",
                code="conflict",
                status=409,
            )
        self._parts.gate.stored(offer)
        return JSONResponse({"result": result.value})

    async def _live(self, request: Request, peer: PeerIdentity) -> Response:
        body = await read_body(request, self._parts.max_batch_bytes)
        header, at_ms = await self._parts.gate.live(peer, body)
        await intake.keep(self._parts.pool, header, at_ms, body)
        return Response(status_code=204)

    async def _orders(self, request: Request, peer: PeerIdentity) -> Response:
        try:
            after = int(request.query_params.get("after", "-1"))
            wait_s = min(float(request.query_params.get("wait", "0")), _MAX_WAIT_S)
        except ValueError as error:
            raise Refused("after and wait must be numbers", code="malformed") from error
        waiting = asyncio.ensure_future(
            wait_for_orders(
                self._parts.pool,
                self._parts.vault,
                self._parts.news,
                peer.station,
                counter=after,
                wait_s=wait_s,
            )
        )
        leaving = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                return Response(status_code=204)
            found = waiting.result()
        finally:
            waiting.cancel()
            leaving.cancel()
        if not found:
            return Response(status_code=204)
        return JSONResponse({"orders": [json.loads(body) for body in found]})

    async def _models(self, request: Request, peer: PeerIdentity) -> Response:
        """The next bytes of a package that an order brings to the station."""
        try:
            offset = int(request.query_params.get("offset", "0"))
        except ValueError as error:
            raise Refused("offset must be a number", code="malformed") from error
        chunk, size = await chunk_for(
            self._parts.pool, peer.station, request.path_params["sha256"], offset
        )
        headers = {"X-Package-Size": str(size)}
        return Response(chunk, media_type="application/octet-stream", headers=headers)

    async def _receipts(self, request: Request, peer: PeerIdentity) -> Response:
        blob = await read_body(request, _MAX_SMALL_BYTES)
        try:
            await keep_receipt(self._parts.pool, self._parts.vault, peer.station, blob)
        except Refused as error:
            self._parts.book.note(
                "receipt_refused", station=peer.station, code=error.code, reason=error.reason
            )
            raise
        return Response(status_code=204)

    async def _renew(self, request: Request, peer: PeerIdentity) -> Response:
        asked = await read_json(request)
        issued = await enrolment.renew(
            self._parts.pool, self._parts.authority, peer, str(asked.get("csr", ""))
        )
        return JSONResponse(
            {
                "certificate": issued.pem.decode(),
                "ca": self._parts.authority.certificate_pem.decode(),
            }
        )


async def read_json(request: Request) -> dict[str, object]:
    """Read a small JSON object."""
    try:
        found = json.loads(await read_body(request, _MAX_SMALL_BYTES))
    except ValueError as error:
        raise Refused("the body is no JSON", code="malformed") from error
    if not isinstance(found, dict):
        raise Refused("the body must be a JSON object", code="malformed")
    return found


async def _gone(request: Request) -> None:
    """Return when the client has hung up (or the server is leaving)."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
