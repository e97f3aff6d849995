"""Between model orders, the life of the models, and the process that runs the estimators.

The life (`station.maintenance`) says which two models are to run; the desk brings the process
there, message by message, and tells people and the cloud what has become of each.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contract.model_order import ModelAction, ModelOrder
from contract.orders import REASONS
from station.alarms import plain
from station.estimation import Report
from station.journal import JournalError, StoredModel
from station.maintenance import Change, Life, Model, ModelError, ModelStore, Rules, Running
from station.maintenance import life as lives
from station.maintenance.judge import Fault, Second
from station.maintenance.life import Settled, Stage, Told
from station.model_arrivals import ArrivalPorts, Arrivals
from station.uplink.link import CloudLink
from station.uplink.worker import BlockingWorker

log = logging.getLogger(__name__)

_KEEP_EVERY_S = 60
_HEARD_AFTER_S = 2
"""A report that was on its way when a message was sent does not answer it."""
_LOSSES = 2
"""A process that is lost so often in a row cannot run what it was given."""
_AGAIN_AFTER_S = 15
"""A message that the process has not followed by then is sent once more."""


class Estimators(Protocol):
    """Whoever runs the models; every message takes effect soon, and is kept over a restart."""

    def shadow(self, folder: Path) -> None:
        """Run this bundle beside the one in force, in the place of any other."""

    def promote(self) -> None:
        """Let the two change places."""

    def drop_shadow(self) -> None:
        """Run the one in force alone."""


@dataclass(frozen=True)
class ModelPorts:
    """What the desk needs of the station.

    Attributes:
        tell: makes an event of it.
        settle: posts a receipt of what has become of an order.
        done: forgets an order that has brought its model, or never will.
    """

    tell: Callable[[Told], None]
    settle: Callable[[Settled], Awaitable[None]]
    done: Callable[[str], Awaitable[None]]


class ModelDesk:
    """Answers model orders of one station."""

    def __init__(
        self,
        store: ModelStore,
        link: CloudLink,
        work: BlockingWorker,
        *,
        rules: Rules,
        ports: ModelPorts,
    ) -> None:
        """Go on with the life that the store remembers; blocks until it is read.

        Raises:
            ModelError: the model that was shipped is not whole.
        """
        self._store = store
        self._work = work
        self._rules = rules
        self._ports = ports
        self._life = store.recall()
        arrivals = ArrivalPorts(lambda: self._life.kept, self._arrived, self._lost, ports.done)
        self.arrivals = Arrivals(link, store, work, arrivals)
        self._estimators: Estimators | None = None
        self._unkept: deque[Change] = deque()
        self._news = asyncio.Event()
        self._asked: tuple[Running, int] | None = None
        self._unkept_s = 0
        self._shadow_ratio = math.nan
        self._tried = self._newest
        self._losses = 0

    @property
    def life(self) -> Life:
        """Which models there are, and how the newest does."""
        return self._life

    @property
    def folders(self) -> tuple[Path, Path | None]:
        """The bundles that a process which begins now is to run: in force, and beside it."""
        running = self._life.running
        beside = None if running.second is None else self._store.folder_of(running.second)
        return self._store.folder_of(running.active), beside

    @property
    def signals(self) -> Mapping[str, float]:
        """What the station's row of estimates says of its models."""
        shadow = self._life.shadow
        return {
            "model_version": float(self._life.active.version),
            "shadow_version": math.nan if shadow is None else float(shadow.version),
            "model_state": float(self._life.stage.number),
            "shadow_innovation_ratio": self._shadow_ratio,
        }

    def why_refused(self, asked: ModelOrder) -> str | None:
        """Return the reason code by which an order is refused now; None when it can be done."""
        on_its_way = self.arrivals.on_its_way
        if on_its_way is not None:
            if asked.action is ModelAction.DEPLOY:
                return "model_busy"
            if asked.action is ModelAction.ROLLBACK and asked.package == on_its_way.asked.package:
                return None
        return lives.why_refused(self._life, asked)

    def carry_out(self, order_id: str, asked: ModelOrder, expires_ms: int) -> None:
        """Let an accepted order take effect; a model that is to come is fetched meanwhile."""
        match asked.action:
            case ModelAction.DEPLOY:
                self.arrivals.add(StoredModel(order_id, asked.to_payload(), expires_ms))
            case ModelAction.PROMOTE:
                self._apply(lives.promote(self._life, order_id))
            case ModelAction.ROLLBACK:
                self._take_back(order_id, asked)

    def serve(self, estimators: Estimators) -> None:
        """Bring these estimators to what the life says, by their reports."""
        self._estimators = estimators

    def on_report(self, report: Report) -> None:
        """Take a second's figures: judge by them, and bring the process where the life says."""
        running = self._running(report)
        is_arranged = running == self._life.running
        if report.shadow_error and self._concerns_newest():
            self._fail(report.shadow_error)
        elif is_arranged:
            self._asked, self._losses = None, 0
            self._judge(self._figures(report))
        else:
            self._shadow_ratio = math.nan
        self._arrange(running)

    def on_lost(self, reason: str) -> None:
        """Take a model back with which the process is lost again and again, before any report."""
        self._losses += 1
        if self._life.stage is not Stage.PROMOTED or self._losses < _LOSSES:
            return
        self._fail(reason)
        if self._estimators is not None:
            self._estimators.shadow(self._store.folder_of(self._life.active))
            self._estimators.promote()
            self._estimators.drop_shadow()

    async def run(self) -> None:
        """Write what becomes of the models, and fetch those on their way, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_changes(), name="models kept")
            group.create_task(self.arrivals.run(), name="models fetched")

    @property
    def _newest(self) -> Model | None:
        """The model that is tried, in shadow or on probation."""
        tried = {Stage.SHADOW: self._life.shadow, Stage.PROMOTED: self._life.active}
        return tried.get(self._life.stage)

    def _concerns_newest(self) -> bool:
        """Whether an error is of the model that is tried, not still of one before."""
        if self._newest is None or self._tried != self._newest:
            return False
        return self._asked is None or self._asked[1] >= _HEARD_AFTER_S

    def _judge(self, told: Second) -> None:
        is_tried = self._life.stage is Stage.SHADOW
        change = lives.second(self._life, told, self._rules)
        self._shadow_ratio = told.ratio if is_tried else math.nan
        self._life = change.life
        self._unkept_s += 1
        if change.told or change.settled or self._unkept_s >= _KEEP_EVERY_S:
            self._apply(change)

    def _figures(self, report: Report) -> Second:
        """Return the figures of candidate and reference, whichever of the two is in force."""
        candidate, reference = report.active, report.second
        if self._life.stage is Stage.SHADOW and reference is not None:
            candidate, reference = reference, candidate
        return Second(
            ratio=candidate.ratio,
            reference_ratio=math.nan if reference is None else reference.ratio,
            mv=candidate.innovation_mv,
            reference_mv=math.nan if reference is None else reference.innovation_mv,
            tick_s=candidate.tick_s,
            memory_mb=report.memory_bytes / (1 << 20),
        )

    def _running(self, report: Report) -> Running:
        second = None if report.second is None else self._model_in(report.second.folder)
        return Running(self._model_in(report.active.folder), second)

    def _model_in(self, folder: str) -> Model:
        for model in (self._life.active, self._life.before, self._life.shadow):
            if model is not None and self._store.folder_of(model) == Path(folder):
                return model
        return Model(folder, "", 0)

    def _arrange(self, running: Running) -> None:
        """Send the process the next message on its way to the wanted arrangement."""
        step = lives.next_step(running, self._life.running)
        if step is None or self._estimators is None:
            return
        asked, waited_s = self._asked or (None, 0)
        if asked == step and waited_s < _AGAIN_AFTER_S:
            self._asked = (step, waited_s + 1)
            return
        self._asked = (step, 0)
        if step.active != running.active:
            self._estimators.promote()
        elif step.second is None:
            self._estimators.drop_shadow()
        else:
            self._estimators.shadow(self._store.folder_of(step.second))
            self._tried = step.second

    def _fail(self, error: str) -> None:
        log.warning("event=model_failed reason=%r", error)
        self._losses = 0
        self._apply(lives.fail(self._life, plain(error)))

    def _arrived(self, order_id: str, asked: ModelOrder) -> None:
        self._asked = None
        self._apply(lives.begin(self._life, asked, order_id))

    def _lost(self, order_id: str, why: Fault) -> None:
        self._apply(lives.lose(self._life, why, order_id))

    def _take_back(self, order_id: str, asked: ModelOrder) -> None:
        why = Fault("model_taken_back", REASONS["model_taken_back"])
        on_its_way = self.arrivals.on_its_way
        if on_its_way is not None and on_its_way.asked.package == asked.package:
            self.arrivals.cancel()
            change = lives.lose(self._life, why, on_its_way.order_id, order_id)
        else:
            change = lives.take_back(self._life, why, order_id)
        self._apply(change)

    def _apply(self, change: Change) -> None:
        self._life = change.life
        self._unkept_s = 0
        for told in change.told:
            log.info("event=%s text=%r", told.code, told.words.en)
            self._ports.tell(told)
        self._unkept.append(change)
        self._news.set()

    async def _keep_changes(self) -> None:
        """Write each change: first the life, then the receipts of the orders that it settles."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._unkept:
                await self._keep(self._unkept.popleft())

    async def _keep(self, change: Change) -> None:
        try:
            await self._work.call(self._store.keep, change.life)
        except ModelError as error:
            log.error("event=models_not_written reason=%r", str(error))  # noqa: TRY400 - the text says it
        for settled in change.settled:
            try:
                await self._ports.settle(settled)
            except JournalError as error:
                log.error("event=receipt_not_written reason=%r", str(error))  # noqa: TRY400 - as above
