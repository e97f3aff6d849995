"""Brings the queue to the cloud's ledger, as fast as the cloud accepts.

While the link is up, several batches are under way at a time, oldest first; while it is down,
one at a time probes it, paced by the back-off. What each answer means:

* 200: the ledger has the batch (stored now or before): it may be removed.
* 428 with code ``unknown_epoch``: announce its key, then send again.
* 428 with code ``unknown_layout``: send the layouts, then the batch again.
* 409: the ledger has other content under this number; 400: the cloud cannot read it (tried
  twice); other 4xx likewise. The batch is kept aside and an event is raised; the rest goes on.
* 401, 403, 429, 5xx: the cloud is there but cannot or will not take it now: try again later.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus

from contract import layouts
from contract.envelope import Stream
from contract.errors import UnknownLayoutError
from station.clock import now_ms
from station.uplink.errors import LinkDown
from station.uplink.latency import LatencyHistogram
from station.uplink.link import Answer, BackOff, CloudLink
from station.uplink.queue import DurableQueue, QueuedBatch
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

_RETRY_LATER = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_READ_TRIES = 2
_PATHS = {
    Stream.TELEMETRY: "/edge/v1/batches",
    Stream.EVENTS: "/edge/v1/events",
    Stream.COMMANDS: "/edge/v1/commands",
}


class Verdict(Enum):
    """What is to be done with a batch after an answer."""

    DONE = auto()
    AGAIN_NOW = auto()
    LATER = auto()
    ASIDE = auto()


@dataclass
class SentCounters:
    """What the ledger has acknowledged since the start."""

    batches: int = 0
    duplicates: int = 0
    quarantined: int = 0
    wire_bytes: int = 0
    wire_values: int = 0
    samples: int = 0
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)


async def announce(link: CloudLink, queue: DurableQueue, work: BlockingWorker, epoch: int) -> bool:
    """Send an epoch's wrapped key; False when the cloud does not take it or it is not ours."""
    announcement = await work.call(queue.announcement, epoch)
    if announcement is None:
        return False
    answer = await link.request("POST", "/edge/v1/keys", announcement)
    return answer.status < HTTPStatus.BAD_REQUEST


async def send_layouts(link: CloudLink, names: tuple[str, ...]) -> None:
    """Send the layouts of these names."""
    for name in names:
        try:
            layout = layouts.get(name)
        except UnknownLayoutError:
            continue
        path = f"/edge/v1/layouts/{layout.hash8.hex()}"
        body = layout.to_json().encode()
        await link.request("PUT", path, body, content_type="application/json")


class Sender:
    """Empties the queue into the ledger."""

    def __init__(
        self,
        link: CloudLink,
        queue: DurableQueue,
        work: BlockingWorker,
        *,
        in_flight: int,
        longest_pause_s: float,
        on_quarantine: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            link: the connection.
            queue: the queue, used on `work` only.
            work: the thread of the queue.
            in_flight: batches under way at a time.
            longest_pause_s: cap of the back-off.
            on_quarantine: told why a batch was kept aside.
        """
        self._link = link
        self._queue = queue
        self._work = work
        self._in_flight = in_flight
        self._back_off = BackOff(longest_pause_s)
        self._on_quarantine = on_quarantine
        self._waiting: deque[int] = deque()
        self._under_way = 0
        self._tries: dict[int, Counter[str]] = {}
        self._news = asyncio.Event()
        self._refusal = ""
        self.done: list[int] = []
        self.sent = SentCounters()

    @property
    def backlog(self) -> int:
        """How many batches the ledger does not have yet."""
        return len(self._waiting) + self._under_way

    def offer(self, batch_ids: list[int]) -> None:
        """Tell of batches that are in the queue."""
        self._waiting.extend(batch_ids)
        self._news.set()

    def take_done(self) -> list[int]:
        """Return the batches that the ledger has and that may be removed; forget them here."""
        done, self.done = self.done, []
        return done

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._in_flight):
                group.create_task(self._carry(leads=number == 0), name=f"sender-{number}")

    async def _carry(self, *, leads: bool) -> None:
        """Send one batch after the other; only the leader works while the link is down."""
        while True:
            batch_id = await self._next(leads=leads)
            verdict = Verdict.LATER
            try:
                verdict = await self._deliver(batch_id)
            except LinkDown:
                pass
            finally:
                self._under_way -= 1
                if verdict in (Verdict.LATER, Verdict.AGAIN_NOW):
                    self._waiting.appendleft(batch_id)
                    self._news.set()
            if verdict is Verdict.LATER:
                await asyncio.sleep(self._back_off.next_pause_s())
            elif verdict is Verdict.DONE:
                self._back_off.reset()

    async def _next(self, *, leads: bool) -> int:
        while True:
            if not leads:
                await self._link.wait_up()
            if self._waiting:
                self._under_way += 1
                return self._waiting.popleft()
            self._news.clear()
            await self._news.wait()

    async def _deliver(self, batch_id: int) -> Verdict:
        batch = await self._work.call(self._queue.read, batch_id)
        if batch is None:
            return Verdict.DONE
        answer = await self._link.request("POST", _PATHS[Stream(batch.stream)], batch.body)
        verdict = await self._judge(batch, answer)
        if verdict is Verdict.DONE:
            self._count(batch, answer)
            self.done.append(batch_id)
        elif verdict is Verdict.ASIDE:
            await self._set_aside(batch, answer)
        self._log_refusal(verdict, answer)
        return verdict

    async def _judge(self, batch: QueuedBatch, answer: Answer) -> Verdict:
        status = answer.status
        if status == HTTPStatus.OK:
            known = answer.fields().get("result") in ("stored", "duplicate")
            return Verdict.DONE if known else Verdict.LATER
        if answer.code == "unknown_epoch":
            told = await announce(self._link, self._queue, self._work, batch.epoch)
            again = told and self._first_time(batch, answer.code)
            return Verdict.AGAIN_NOW if again else Verdict.LATER
        if answer.code == "unknown_layout":
            await send_layouts(self._link, batch.layouts)
            return Verdict.AGAIN_NOW if self._first_time(batch, answer.code) else Verdict.LATER
        if status == HTTPStatus.CONFLICT:
            return Verdict.ASIDE
        if status in _RETRY_LATER or not self._is_refusal(status):
            return Verdict.LATER
        return Verdict.LATER if self._first_time(batch, answer.code) else Verdict.ASIDE

    @staticmethod
    def _is_refusal(status: int) -> bool:
        return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR

    def _first_time(self, batch: QueuedBatch, code: str) -> bool:
        tries = self._tries.setdefault(batch.id, Counter())
        tries[code] += 1
        return tries[code] < _READ_TRIES

    def _count(self, batch: QueuedBatch, answer: Answer) -> None:
        self._tries.pop(batch.id, None)
        self.sent.batches += 1
        self.sent.duplicates += answer.fields().get("result") == "duplicate"
        if batch.stream == Stream.TELEMETRY:
            self.sent.wire_bytes += len(batch.body)
            self.sent.wire_values += batch.value_count
        at_ms = now_ms()
        for sample_ms, samples in batch.sample_times.items():
            self.sent.latency.add(at_ms - sample_ms, samples)
            self.sent.samples += samples

    async def _set_aside(self, batch: QueuedBatch, answer: Answer) -> None:
        self._tries.pop(batch.id, None)
        self.sent.quarantined += 1
        reason = (
            f"batch {batch.epoch}/{batch.sequence} refused with {answer.status} "
            f"{answer.code or 'without a code'}"
        )
        log.error("event=batch_quarantined id=%d reason=%r", batch.id, reason)
        await self._work.call(self._queue.quarantine, batch.id, reason)
        self._on_quarantine(reason)

    def _log_refusal(self, verdict: Verdict, answer: Answer) -> None:
        """Log once that the cloud is there but does not take batches, and once that it does."""
        refusal = f"{answer.status} {answer.code}" if verdict is Verdict.LATER else ""
        if refusal and not self._refusal:
            log.warning("event=batches_not_taken answer=%r", refusal)
        elif self._refusal and verdict is Verdict.DONE:
            log.info("event=batches_taken_again after=%r", self._refusal)
        if verdict in (Verdict.LATER, Verdict.DONE):
            self._refusal = refusal
