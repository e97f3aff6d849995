"""The certificate is renewed over the link that it secures, at two thirds of its life."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from station.uplink.errors import LinkDown
from station.uplink.link import CloudLink

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 3600.0
_RETRY_S = 600.0


class Renewal:
    """Looks after the certificate's age."""

    def __init__(
        self,
        link: CloudLink,
        *,
        due: Callable[[], datetime],
        signing_request: Callable[[], bytes],
        install: Callable[[bytes, bytes], Awaitable[None]],
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            link: the connection.
            due: when the present certificate should be renewed.
            signing_request: makes a CSR (PEM).
            install: checks, stores and uses certificate and authority (PEM); raises when it cannot.
        """
        self._link = link
        self._due = due
        self._signing_request = signing_request
        self._install = install

    async def run(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Renew whenever it is time, until cancelled."""
        while True:
            wait_s = (self._due() - now()).total_seconds()
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, _LOOK_EVERY_S))
                continue
            await self._link.wait_up()
            if not await self.renew():
                await asyncio.sleep(_RETRY_S)

    async def renew(self) -> bool:
        """Renew now; False when the cloud refused or did not answer.

        What `install` raises passes through, so that it is told: the present certificate goes on.
        """
        body = json.dumps({"csr": self._signing_request().decode()}).encode()
        try:
            answer = await self._link.request(
                "POST", "/edge/v1/renew", body, content_type="application/json", judges=False
            )
        except LinkDown as error:
            log.warning("event=certificate_not_renewed reason=%r", str(error))
            return False
        fields = answer.fields()
        if answer.status != HTTPStatus.OK or "certificate" not in fields or "ca" not in fields:
            log.error("event=certificate_not_renewed status=%d code=%s", answer.status, answer.code)
            return False
        await self._install(str(fields["certificate"]).encode(), str(fields["ca"]).encode())
        log.info("event=certificate_renewed")
        return True
