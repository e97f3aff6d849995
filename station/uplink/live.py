"""The live lane: the newest image every second, for screens.

It may lose data and never waits: nothing is stored or repeated, one picture is under way at a
time, and while the link is down none is sent. What must not be lost goes through the queue.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus

from contract import frame
from contract.envelope import Sealer, Stream
from station.samples import Sample
from station.uplink.errors import LinkDown
from station.uplink.link import CloudLink
from station.uplink.queue import DurableQueue
from station.uplink.sender import announce, send_layouts
from station.uplink.slabs import slabs_of
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

_TIMEOUT_S = 2.0
_PATH = "/edge/v1/live"


class LiveLane:
    """Sends pictures of the plant."""

    def __init__(
        self,
        link: CloudLink,
        sealer: Sealer,
        queue: DurableQueue,
        work: BlockingWorker,
        picture: Callable[[], Sequence[Sample]],
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            link: the connection.
            sealer: the epoch's sealer, used on `work` only.
            queue: knows the announcement of the epoch.
            work: the thread that encodes and seals.
            picture: returns the newest sample of every stream.
        """
        self._link = link
        self._sealer = sealer
        self._queue = queue
        self._work = work
        self._picture = picture
        self._sequence = itertools.count(1)
        self.sent = 0
        self.lost = 0
        self.wire_bytes = 0

    async def run(self, period_s: float) -> None:
        """Send a picture every period until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + period_s, loop.time())
            await asyncio.sleep(due - loop.time())
            if self._link.is_up:
                await self._send_picture(list(self._picture()))

    async def _send_picture(self, samples: list[Sample]) -> None:
        if not samples:
            return
        try:
            body = await self._work.call(self._seal, samples)
            answer = await self._link.request(
                "POST", _PATH, body, timeout_s=_TIMEOUT_S, judges=False
            )
            if answer.code == "unknown_epoch":
                await announce(self._link, self._queue, self._work, self._sealer.epoch)
            elif answer.code == "unknown_layout":
                await send_layouts(self._link, tuple({s.layout for s in samples}))
        except LinkDown as error:
            self.lost += 1
            log.debug("event=live_picture_lost reason=%r", str(error))
            return
        if answer.status < HTTPStatus.BAD_REQUEST:
            self.sent += 1
            self.wire_bytes += len(body)
        else:
            self.lost += 1

    def _seal(self, samples: list[Sample]) -> bytes:
        plain = frame.encode_slabs(slabs_of(samples), level=1)
        return self._sealer.seal(next(self._sequence), Stream.LIVE, plain)
