"""The models as a part of the controller: their desk, its thread, its words to people and cloud.

A station without estimators takes no models; one whose models cannot be read runs on without.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from contract.orders import Outcome
from contract.words import Words
from station.alarms import Condition, plain_words
from station.config import StationConfig
from station.journal import Journal, Memory
from station.maintenance import Bounds, ModelError, ModelStore, Rules
from station.maintenance.life import Settled, Told
from station.model_desk import ModelDesk, ModelPorts
from station.station_row import DEVICE
from station.uplink.link import CloudLink
from station.uplink.orders import OrderReceiver
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelsPorts:
    """Whom the models tell.

    Attributes:
        tell: takes something that happened, or (not `active`) its end.
        failed: told of a model that did not come.
    """

    tell: Callable[[Condition, bool], None]
    failed: Callable[[Words], None]


class Models:
    """The models of one station.

    Attributes:
        desk: answers model orders; None without estimators.
    """

    def __init__(
        self,
        config: StationConfig,
        link: CloudLink,
        journal: Journal,
        journal_work: BlockingWorker,
        ports: ModelsPorts,
    ) -> None:
        """Read what is here; blocks until every model in use has been checked."""
        self._journal = journal
        self._journal_work = journal_work
        self._ports = ports
        self._receiver: OrderReceiver | None = None
        self._work = BlockingWorker("models")
        self.desk: ModelDesk | None = None
        if config.estimators is None:
            return
        store = ModelStore(
            config.station.data_dir / "models",
            config.estimators.bundle,
            config.models.quota_mb << 20,
        )
        desk_ports = ModelPorts(self._tell, self._settle, self._done)
        try:
            self.desk = ModelDesk(store, link, self._work, rules=_rules(config), ports=desk_ports)
        except ModelError as error:
            log.critical("event=no_models reason=%r", str(error))

    def begin(self, receiver: OrderReceiver, memory: Memory) -> None:
        """Go on with orders that were on their way, and answer them through the receiver."""
        self._receiver = receiver
        if self.desk is not None:
            self.desk.arrivals.add(*memory.models)

    async def run(self) -> None:
        """Work until cancelled."""
        if self.desk is None:
            await asyncio.Event().wait()
        else:
            await self.desk.run()

    def close(self) -> None:
        """Finish what was begun on the disk."""
        self._work.close()

    def _tell(self, told: Told) -> None:
        condition = Condition(
            told.code,
            DEVICE,
            time.time_ns() // 1_000_000,
            told.model.package,
            plain_words(told.words),
            told.value,
            told.limit,
        )
        self._ports.tell(condition, told.active)

    async def _settle(self, settled: Settled) -> None:
        if settled.untold and settled.outcome is Outcome.FAILED:
            self._ports.failed(settled.words)
        if self._receiver is not None:
            await self._receiver.report(
                settled.order_id, settled.outcome, settled.reason_code, settled.words
            )

    async def _done(self, order_id: str) -> None:
        await self._journal_work.call(self._journal.model_done, order_id)


def _rules(config: StationConfig) -> Rules:
    asked = config.models
    bounds = Bounds(
        worse_by=asked.worse_by,
        tick_most_s=asked.tick_most_s,
        memory_most_mb=asked.memory_most_mb,
    )
    return Rules(bounds, asked.probation_s)
