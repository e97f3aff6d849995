"""The one outbound connection to the cloud: HTTPS, mutual TLS 1.3, nothing listens here.

The link knows whether it is up: any answer of the cloud means up, no answer means down. It
logs the loss once and the return once, and paces retries: exponential back-off with full
jitter, so that a fleet that lost its cloud does not come back in one instant.
"""

import asyncio
import json
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from station.uplink.errors import LinkDown

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 4 << 20
_CONNECT_S = 3.0
_KEEPALIVE_S = 60.0
_FIRST_PAUSE_S = 0.2


@dataclass(frozen=True)
class Credentials:
    """Files of the station's TLS identity: certificate, its key, and the cloud's authority."""

    certificate: Path
    key: Path
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Return a TLS 1.3 context that shows our certificate and trusts one authority only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Answer:
    """What the cloud answered."""

    status: int
    body: bytes

    def fields(self) -> dict[str, Any]:
        """Return the JSON table of the body, empty when it has none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def code(self) -> str:
        """The machine-readable code of a refusal, empty when there is none."""
        fields = self.fields()
        return str(fields.get("code") or fields.get("error") or "")


@dataclass
class BackOff:
    """Pauses between tries: random up to a bound that doubles from try to try."""

    longest_s: float
    source: random.Random = field(default_factory=random.SystemRandom)
    tries: int = 0

    def next_pause_s(self) -> float:
        """Return the next pause in seconds."""
        bound = min(self.longest_s, _FIRST_PAUSE_S * 2 ** min(self.tries + 1, 30))
        self.tries += 1
        return self.source.uniform(min(_FIRST_PAUSE_S, bound), bound)

    def reset(self) -> None:
        """Begin anew after a success."""
        self.tries = 0


class CloudLink:
    """Sends requests and knows whether the cloud answers."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        connections: int = 8,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is sent before the first request.

        Args:
            url: base address of the cloud's edge listener.
            credentials: TLS identity.
            connections: most connections at a time.
            on_change: told when the link goes up or down.
        """
        self._url = url
        self._credentials = credentials
        self._connections = connections
        self._on_change = on_change
        self._client = self._new_client()
        self._up = asyncio.Event()
        self._known_down = False
        self.failures = 0

    @property
    def is_up(self) -> bool:
        """Whether the last request was answered."""
        return self._up.is_set()

    async def wait_up(self) -> None:
        """Return when the link is up."""
        await self._up.wait()

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout_s: float = 8.0,
        content_type: str = "application/octet-stream",
        judges: bool = True,
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        Args:
            method: of the request.
            path: below the base address.
            body: content, None for none.
            content_type: of the body.
            timeout_s: longest silence of the cloud.
            judges: a failure means that the link is down. Not so for a long poll, which may
                fail of an outage that is already over, nor for the live lane, which is hasty.

        Raises:
            LinkDown: no connection, no answer in time, or one that is no HTTP.
        """
        timeout = httpx.Timeout(timeout_s, connect=_CONNECT_S)
        headers = {"content-type": content_type} if body is not None else {}
        try:
            async with asyncio.timeout(timeout_s + _CONNECT_S):
                answer = await self._exchange(method, path, body, headers, timeout)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            if judges:
                self._mark_down(error)
            raise LinkDown(
                f"{method} {self._url}{path}: {error or type(error).__name__}"
            ) from error
        self._mark_up()
        return answer

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout: httpx.Timeout,  # noqa: ASYNC109 - httpx's own object, beside the overall limit
    ) -> Answer:
        request = self._client.build_request(
            method, path, content=body, headers=headers, timeout=timeout
        )
        response = await self._client.send(request, stream=True)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise httpx.DecodingError(f"answer longer than {MAX_ANSWER_BYTES} bytes")
            return Answer(response.status_code, bytes(content))
        finally:
            await response.aclose()

    async def renew_credentials(self, credentials: Credentials) -> None:
        """Use another certificate from the next request on."""
        old, self._credentials = self._client, credentials
        self._client = self._new_client()
        await old.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._url,
            verify=self._credentials.context(),
            trust_env=False,
            limits=httpx.Limits(
                max_connections=self._connections,
                max_keepalive_connections=self._connections,
                keepalive_expiry=_KEEPALIVE_S,
            ),
        )

    def _mark_up(self) -> None:
        if self._up.is_set():
            return
        self._up.set()
        log.info("event=link_up url=%s failures=%d", self._url, self.failures)
        self.failures = 0
        self._known_down = False
        self._on_change(True)

    def _mark_down(self, error: BaseException) -> None:
        self.failures += 1
        if self._known_down:
            return
        self._known_down = True
        self._up.clear()
        reason = str(error) or type(error).__name__
        log.warning("event=link_down url=%s reason=%r", self._url, reason)
        self._on_change(False)
