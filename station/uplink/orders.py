"""Orders come over the outbound connection; the station believes none before it has checked it.

Every order is verified here: signature of a key pinned at enrolment, this station, its time,
a counter larger than any before. What it asks for is then judged by the part of the station
that would carry it out. Outcome, counter, effects and the signed receipt are written in one
transaction before anything acts on them; receipts wait in the journal until the cloud has
them. An order that is offered again gets its receipt again and has no second effect.
"""

import asyncio
import hashlib
import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contract import orders
from contract.errors import OrderExpired, OrderNotYetValid, OrderRefused, OrderRepeated
from contract.orders import Order, Outcome, Receipt
from contract.words import Words
from station.clock import now_ms
from station.journal import Effects, Journal, JournalError, OrderRecord
from station.uplink.errors import LinkDown
from station.uplink.link import Answer, BackOff, CloudLink
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

POLL_WAIT_S = 25
_POLL_GRACE_S = 10
_REMEMBERED_REFUSALS = 1000
_MAX_REASON = 500


@dataclass(frozen=True)
class Judgement:
    """What the station makes of a verified order.

    Attributes:
        outcome: accepted or refused.
        reason_code: a code of ``contract.orders.REASONS``.
        reason: in words, for people.
        effects: what is written with it.
        supersedes: id of the accepted order whose place it takes.
    """

    outcome: Outcome
    reason_code: str
    reason: str
    effects: Effects = field(default_factory=Effects)
    supersedes: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why an accepted order could not be carried out: a code of ``REASONS``, and words."""

    reason_code: str
    words: Words


@dataclass(frozen=True)
class OrderOffice:
    """Who judges orders and who carries them out.

    Attributes:
        judge: says what becomes of a verified order; changes nothing.
        carry_out: makes an accepted order take effect, after it is in the journal; says why it
            could not, None when it could.
        refused: told of a refusal: reason code and text.
        failed: told why an accepted order was not carried out.
    """

    judge: Callable[[Order], Judgement]
    carry_out: Callable[[Order, Effects], Failure | None]
    refused: Callable[[str, str], None]
    failed: Callable[[Words], None]


class OrderReceiver:
    """Fetches, verifies and answers orders."""

    def __init__(
        self,
        link: CloudLink,
        journal: Journal,
        work: BlockingWorker,
        *,
        station: str,
        keys: Mapping[str, Ed25519PublicKey],
        sign: Ed25519PrivateKey,
        office: OrderOffice,
        last_counter: int,
        longest_pause_s: float,
    ) -> None:
        """Prepare; `run` does the work."""
        self._link = link
        self._journal = journal
        self._work = work
        self._station = station
        self._keys = keys
        self._sign = sign
        self._office = office
        self._last_counter = last_counter
        self._back_off = BackOff(longest_pause_s)
        self._post_back_off = BackOff(longest_pause_s)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._receipts = asyncio.Event()
        self._receipts.set()
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        """Fetch orders and post receipts until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetch_orders(), name="orders")
            group.create_task(self._post_receipts(), name="receipts")

    async def _fetch_orders(self) -> None:
        while True:
            await self._link.wait_up()
            try:
                answer = await self._poll()
                fresh = await self._take(answer)
            except (LinkDown, JournalError) as error:
                log.debug("event=orders_not_fetched reason=%r", str(error))
                fresh = False
            if fresh:
                self._back_off.reset()
            else:
                await asyncio.sleep(self._back_off.next_pause_s())

    async def _poll(self) -> Answer:
        path = f"/edge/v1/orders?after={max(self._last_counter, 0)}&wait={POLL_WAIT_S}"
        return await self._link.request(
            "GET", path, timeout_s=POLL_WAIT_S + _POLL_GRACE_S, judges=False
        )

    async def _take(self, answer: Answer) -> bool:
        """Handle the orders of an answer; False when the next poll should wait."""
        if answer.status == HTTPStatus.NO_CONTENT:
            return True
        offered = answer.fields().get("orders")
        if answer.status != HTTPStatus.OK or not isinstance(offered, list):
            return False
        progress = False
        for item in offered:
            blob = item.encode() if isinstance(item, str) else json.dumps(item).encode()
            digest = hashlib.sha256(blob).digest()
            if digest in self._seen:
                continue
            await self.handle(blob)
            self._remember(digest)
            progress = True
        return progress

    def _remember(self, digest: bytes) -> None:
        self._seen[digest] = None
        if len(self._seen) > _REMEMBERED_REFUSALS:
            self._seen.popitem(last=False)

    async def handle(self, blob: bytes) -> None:
        """Verify one signed order, write its outcome, carry it out when accepted.

        Raises:
            JournalError: the outcome could not be written; the order had no effect.
        """
        try:
            order = orders.verify(blob, self._keys, self._station, self._last_counter, now_ms())
        except OrderRefused as refusal:
            await self._refuse(blob, refusal)
            return
        judgement = self._office.judge(order)
        records = [self._record(order, judgement.outcome, judgement.reason_code, judgement.reason)]
        if judgement.supersedes is not None:
            records += await self._superseded(judgement.supersedes)
        await self._work.call(self._journal.record, records, order.counter, judgement.effects)
        self._last_counter = order.counter
        self._settled(judgement.outcome)
        if judgement.outcome is Outcome.ACCEPTED:
            log.info(
                "event=order_accepted id=%s kind=%s counter=%d",
                order.id, order.kind.value, order.counter,
            )  # fmt: skip
            failure = self._office.carry_out(order, judgement.effects)
            if failure is not None:
                await self._failed(order, failure)
        else:
            self._report(order.id, judgement.reason_code, judgement.reason)

    async def report(self, order_id: str, outcome: Outcome, code: str, words: Words) -> None:
        """Answer an accepted order a second time: what has become of it since.

        Raises:
            JournalError: the receipt could not be written.
        """
        old = await self._work.call(self._journal.accepted, order_id)
        if old is None:
            log.error("event=receipt_without_order id=%s", order_id)
            return
        about = (old.order_id, old.sha256, old.counter)
        receipt = self._receipt(about, outcome, code, words.en[:_MAX_REASON])
        await self._work.call(self._journal.record, [self._row(receipt, old.kind)], None, Effects())
        log.info("event=order_settled id=%s outcome=%s code=%s", order_id, outcome.value, code)
        self._settled(outcome)

    async def _failed(self, order: Order, failure: Failure) -> None:
        """Tell that an accepted order had no effect: here first, then in a second receipt."""
        code, words = failure.reason_code, failure.words
        log.warning("event=order_failed id=%s code=%s reason=%r", order.id, code, words.en)
        self._office.failed(words)
        record = self._record(order, Outcome.FAILED, code, words.en[:_MAX_REASON])
        await self._work.call(self._journal.record, [record], None, Effects())
        self._settled(Outcome.FAILED)

    async def _refuse(self, blob: bytes, refusal: OrderRefused) -> None:
        """Answer an order that does not verify. Only a genuine one may move the counter."""
        reason = str(refusal)[:_MAX_REASON]
        try:
            order = orders.peek_order(blob)
        except OrderRefused:
            self.outcomes[Outcome.REFUSED] += 1
            self._report("unreadable", refusal.reason, reason)
            return
        if isinstance(refusal, OrderRepeated):
            known = await self._work.call(self._journal.known, order.id, order.sha256)
            if known is not None:
                await self._work.call(self._journal.post_again, known.receipt)
                self._receipts.set()
                return
        genuine = isinstance(refusal, OrderExpired | OrderNotYetValid)
        record = self._record(order, Outcome.REFUSED, refusal.reason, reason)
        counter = order.counter if genuine else None
        await self._work.call(self._journal.record, [record], counter, Effects())
        if genuine:
            self._last_counter = order.counter
        self._settled(Outcome.REFUSED)
        self._report(order.id, refusal.reason, reason)

    async def _superseded(self, order_id: str) -> list[OrderRecord]:
        old = await self._work.call(self._journal.accepted, order_id)
        if old is None:
            return []
        words = orders.REASONS["superseded"].en
        about = (old.order_id, old.sha256, old.counter)
        receipt = self._receipt(about, Outcome.SUPERSEDED, "superseded", words)
        return [self._row(receipt, old.kind)]

    def _record(self, order: Order, outcome: Outcome, code: str, reason: str) -> OrderRecord:
        about = (order.id, order.sha256, order.counter)
        return self._row(self._receipt(about, outcome, code, reason), order.kind.value)

    def _receipt(
        self, about: tuple[str, str, int], outcome: Outcome, code: str, reason: str
    ) -> Receipt:
        """Build the receipt of an order given by id, hash and counter."""
        order_id, sha256, counter = about
        text = "".join(c if c.isprintable() else " " for c in reason) or code
        return Receipt(order_id, sha256, self._station, counter, outcome, code, text, now_ms())

    def _row(self, receipt: Receipt, kind: str) -> OrderRecord:
        return OrderRecord(
            receipt.order_id,
            receipt.order_sha256,
            receipt.counter,
            kind,
            receipt.outcome.value,
            receipt.reason_code,
            receipt.at_ms,
            orders.sign_receipt(receipt, self._sign),
        )

    def _settled(self, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1
        self._receipts.set()

    def _report(self, order_id: str, code: str, reason: str) -> None:
        log.warning("event=order_refused id=%s code=%s reason=%r", order_id, code, reason)
        self._office.refused(code, reason)

    async def _post_receipts(self) -> None:
        while True:
            await self._receipts.wait()
            await self._link.wait_up()
            self._receipts.clear()
            waiting = await self._work.call(self._journal.outbox)
            for outbox_id, receipt in waiting:
                if not await self._post(outbox_id, receipt):
                    self._receipts.set()
                    await asyncio.sleep(self._post_back_off.next_pause_s())
                    break
            else:
                self._post_back_off.reset()
                if waiting:
                    self._receipts.set()

    async def _post(self, outbox_id: int, receipt: bytes) -> bool:
        try:
            answer = await self._link.request(
                "POST", "/edge/v1/receipts", receipt, content_type="application/json", judges=False
            )
        except LinkDown:
            return False
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            log.error("event=receipt_not_taken status=%d code=%s", answer.status, answer.code)
        elif answer.status >= HTTPStatus.BAD_REQUEST:
            return False
        await self._work.call(self._journal.posted, outbox_id)
        return True
