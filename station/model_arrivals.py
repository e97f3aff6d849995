"""Models on their way here: fetched one after the other, checked, and handed over or refused.

An order that brings a model is in the journal until it has been worked off; so a restart goes on
with it, from the byte that it had.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contract.model_order import ModelOrder
from contract.words import Words
from station.alarms import plain
from station.clock import now_ms
from station.journal import StoredModel
from station.maintenance import ModelError, ModelStore
from station.maintenance.judge import Fault
from station.model_fetch import fetch
from station.uplink.errors import LinkDown
from station.uplink.link import BackOff, CloudLink
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class ArrivalPorts:
    """What becomes of models that were on their way.

    Attributes:
        kept: packages that stay on the disk.
        arrived: a model is here, whole and checked.
        failed: it will not come, and why.
        done: its order need not be remembered any more.
    """

    kept: Callable[[], frozenset[str]]
    arrived: Callable[[str, ModelOrder], None]
    failed: Callable[[str, Fault], None]
    done: Callable[[str], Awaitable[None]]


class Arrivals:
    """Brings models here, over the station's own connection."""

    def __init__(
        self, link: CloudLink, store: ModelStore, work: BlockingWorker, ports: ArrivalPorts
    ) -> None:
        """Prepare; `run` does the work."""
        self._link = link
        self._store = store
        self._work = work
        self._ports = ports
        self._waiting: deque[StoredModel] = deque()
        self._news = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None

    @property
    def on_its_way(self) -> StoredModel | None:
        """The order whose model is being fetched, None when none is."""
        return self._waiting[0] if self._waiting else None

    def add(self, *orders: StoredModel) -> None:
        """Let these models be fetched."""
        self._waiting.extend(orders)
        self._news.set()

    def cancel(self) -> None:
        """Give up the model that is being fetched; its order has been answered."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._bring_next()

    async def _bring_next(self) -> None:
        order = self._waiting[0]
        self._fetching = asyncio.create_task(self._bring(order))
        try:
            await asyncio.wait({self._fetching})
            with contextlib.suppress(asyncio.CancelledError):  # given up by an order
                self._fetching.result()
        finally:  # neither a stop of the station nor an error leaves it running
            self._fetching.cancel()
        self._fetching = None
        await self._ports.done(order.order_id)
        self._waiting.popleft()

    async def _bring(self, order: StoredModel) -> None:
        asked = order.asked
        back_off = BackOff(_LONGEST_PAUSE_S)
        while True:
            await self._link.wait_up()
            try:
                await self._bring_once(asked)
            except LinkDown as error:
                log.debug("event=model_waits reason=%r", str(error))
            except ModelError as error:
                log.warning("event=model_not_taken model=%s reason=%r", asked.title, str(error))
                self._ports.failed(order.order_id, Fault(error.reason_code, plain(str(error))))
                return
            else:
                self._ports.arrived(order.order_id, asked)
                return
            if now_ms() >= order.expires_ms:
                words = Words("the order expired meanwhile", "指令已过期")
                self._ports.failed(order.order_id, Fault("model_not_fetched", words))
                return
            await asyncio.sleep(back_off.next_pause_s())

    async def _bring_once(self, asked: ModelOrder) -> None:
        if await self._work.call(self._store.has, asked.package):
            return
        kept = self._ports.kept()
        await self._work.call(self._store.make_room, asked.package, asked.size, kept)
        await fetch(self._link, self._store, self._work, asked)
        await self._work.call(self._store.unpack, asked)
