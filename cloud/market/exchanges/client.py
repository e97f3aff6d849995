"""Submitting over HTTP, so that what was sent once is taken once, whatever the line does.

Every attempt carries the same idempotency key. After an outcome that is not clear (no answer in
time, a broken connection, a server's error) the exchange is asked what it knows under the key,
before anything is sent again.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Self

import httpx

from cloud.errors import KeyStoreError
from cloud.market.errors import BadDocument
from cloud.market.exchanges.answers import Clearing, read_acknowledgement, read_clearing
from cloud.market.exchanges.drop import meter_body
from cloud.market.exchanges.formats.text import decimal, utc_ms
from cloud.market.exchanges.market import Market
from cloud.market.exchanges.outcomes import (
    Denied,
    NotThere,
    Outcome,
    Pending,
    Unclear,
)
from cloud.market.exchanges.sending import Document, Sending
from cloud.market.exchanges.statements import read_statement
from cloud.market.statement import Statement
from cloud.private_files import read_secret

_OK = {200, 201, 202}
_OURS = {400, 401, 403, 404, 409, 413}
_LATER = 202
_NOT_FOUND = 404
_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often.

    Attributes:
        timeout_s: for one request.
        attempts: of sending, each after asking what became of the one before.
        wait_s: before the second attempt; doubled before each further one.
    """

    timeout_s: float = 10.0
    attempts: int = 4
    wait_s: float = 0.5


class ExchangeClient:
    """Speaks to one exchange.

    Args:
        address: as "http://127.0.0.1:8700".
        token_file: holds the secret; read at each start, never logged.
        patience: how long and how often.
        sleep: what waits between attempts.
        transport: what carries requests; None: the network.
    """

    def __init__(
        self,
        address: str,
        token_file: Path,
        patience: Patience = Patience(),
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience, self._sleep = patience, sleep
        self._http = httpx.AsyncClient(
            base_url=address,
            timeout=patience.timeout_s,
            headers={"Authorization": f"Bearer {_token(token_file)}"},
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def submit(self, market: str, document: Document, sending: Sending) -> Outcome:
        """Submit a document under its key and find out what became of it.

        Returns:
            What the exchange says; `Unclear` only when it could not be asked either. The same
            call, made again (even after a restart), sends nothing twice.
        """
        wait_s, last = self._patience.wait_s, Unclear("nothing was sent")
        for attempt in range(self._patience.attempts):
            if attempt:
                await self._sleep(wait_s)
                wait_s *= 2
                known = await self.state(sending.key)
                match known:
                    case NotThere():
                        pass  # nothing has arrived: it may be sent again
                    case Unclear():
                        last = known
                        continue
                    case _:
                        return known
            answer = await self._send(market, document, sending)
            if not isinstance(answer, Unclear):
                return answer
            last = answer
        known = await self.state(sending.key)
        return last if isinstance(known, NotThere | Unclear) else known

    async def _send(self, market: str, document: Document, sending: Sending) -> Outcome:
        headers = {"Idempotency-Key": sending.key, "Content-Type": document.content_type}
        if sending.amends:
            headers["Amends"] = sending.amends
        path = f"/v1/submissions/{market}"
        return await self._outcome("POST", path, sending.key, document.body, headers)

    async def state(self, key: str) -> Outcome:
        """Return what the exchange knows under a key; asks only, sends nothing."""
        return await self._outcome("GET", f"/v1/submissions/{key}", key)

    async def withdraw(self, key: str) -> Outcome:
        """Take a submission back, as far as it is not due; may be called again."""
        return await self._outcome("POST", f"/v1/submissions/{key}/withdraw", key, b"")

    async def _outcome(
        self,
        method: str,
        path: str,
        key: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Outcome:
        answer = await self._ask(method, path, body, headers)
        if isinstance(answer, Unclear):
            return answer
        if answer.status_code == _NOT_FOUND and path.startswith(f"/v1/submissions/{key}"):
            return NotThere()
        if answer.status_code in _OURS:
            return Denied(f"{answer.status_code}: {answer.text[:300]}")
        if answer.status_code not in {*_OK, _UNPROCESSABLE}:
            return Unclear(f"{answer.status_code}: {answer.text[:300]}")
        try:
            return read_acknowledgement(answer.content, answer.headers.get("Content-Type", ""), key)
        except BadDocument as error:
            return Unclear(f"the answer cannot be read: {error}")

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response | Unclear:
        try:
            return await self._http.request(method, path, content=body, headers=headers)
        except httpx.TimeoutException:
            return Unclear(f"no answer within {self._patience.timeout_s:g} s")
        except httpx.HTTPError as error:
            return Unclear(f"{type(error).__name__}: {error}")

    async def clearing(self, key: str) -> Clearing | Pending | Denied | Unclear:
        """Return what a submission has got; `Pending`: nothing of it is cleared yet."""
        answer = await self._ask("GET", f"/v1/submissions/{key}/clearing")
        failed = _failed(answer)
        if failed is not None or isinstance(answer, Unclear):
            return failed or Unclear("no answer")
        if answer.status_code == _LATER:
            return Pending(key)
        try:
            return read_clearing(answer.content)
        except BadDocument as error:
            return Unclear(str(error))

    async def statement(
        self, market: Market, station: str, day: dt.date
    ) -> Statement | Pending | Denied | Unclear:
        """Return a day's statement; `Pending`: it is not out."""
        body = await self.statement_body(market.id, station, day)
        if not isinstance(body, bytes):
            return body
        try:
            return read_statement(body, market)
        except BadDocument as error:
            return Unclear(str(error))

    async def statement_body(
        self, market: str, station: str, day: dt.date
    ) -> bytes | Pending | Denied | Unclear:
        """Return a day's statement as the exchange gave it; `Pending`: it is not out."""
        answer = await self._ask("GET", f"/v1/statements/{market}/{station}/{day}")
        failed = _failed(answer)
        if failed is not None or isinstance(answer, Unclear):
            return failed or Unclear("no answer")
        if answer.status_code == _LATER:
            return Pending(f"{station}/{day}")
        return answer.content

    async def report_meter(
        self, market: str, station: str, readings: Iterable[tuple[int, int, Decimal]]
    ) -> Denied | Unclear | None:
        """Tell metered energy: (start_ms, minutes, MWh to the grid); None: it is taken."""
        path = f"/v1/meter/{market}/{station}"
        return _failed(await self._ask("PUT", path, meter_body(readings)))

    async def prices(
        self, market: str, product: str, day: dt.date
    ) -> tuple[tuple[int, Decimal], ...] | Denied | Unclear:
        """Return the prices of a day that the exchange has published: (start_ms, price)."""
        answer = await self._ask("GET", f"/v1/prices/{market}/{product}/{day}")
        failed = _failed(answer)
        if failed is not None or isinstance(answer, Unclear):
            return failed or Unclear("no answer")
        try:
            return tuple(
                (utc_ms(one["start"], "start"), decimal(one["price"], "price"))
                for one in answer.json()["prices"]
            )
        except (BadDocument, ValueError, KeyError, TypeError) as error:
            return Unclear(f"the answer cannot be read: {error}")


def _failed(answer: httpx.Response | Unclear) -> Denied | Unclear | None:
    if isinstance(answer, Unclear):
        return answer
    said = f"{answer.status_code}: {answer.text[:300]}"
    if answer.status_code in _OURS:
        return Denied(said)
    return None if answer.status_code in _OK else Unclear(said)


def _token(file: Path) -> str:
    try:
        return read_secret(file)
    except KeyStoreError as error:
        raise BadDocument(f"the exchange's token: {error}") from error
