"""The jobs that have bidding policies learnt anew: they look what is due and start a process.

The schedule lies in the record of trainings, so that a restart of the cloud neither forgets nor
repeats a week. What trains runs in a process of its own (`cloud.trainer`) and dies with this one;
the next look, or the next cloud, goes on with it.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from cloud import fleet
from cloud.children import Child
from cloud.config_training import TrainingSection
from cloud.db import Pool
from cloud.market import retraining
from cloud.market.retraining import MOST_STARTS, State, Training
from cloud.market.units import DAY_MS
from cloud.trainer import MODULE, TrainerTask
from cloud.workers import Task

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
SCHEDULE: Final = "schedule"
"""Who asks, in the record."""
_AGAIN_MS: Final = DAY_MS
"""After a failure: somebody may have mended what was wrong, and a week is long."""

Job = Callable[[], Awaitable[None]]


class TrainingJobs:
    """Starts what is due; never two at a time."""

    def __init__(self, pool: Pool, task: Task) -> None:
        self._pool, self._task = pool, task
        self._sections = task.config.market.trainings
        self._child: Child | None = None
        self._running: TrainingSection | None = None
        self._told: dict[tuple[str, str], str] = {}

    @property
    def pid(self) -> int | None:
        """Process that trains for this one; None: there is none."""
        return None if self._child is None else self._child.pid

    def jobs(self) -> list[tuple[str, Job, float]]:
        """Return a job for each policy, so that the error of one is not lost behind another's."""

        def job(section: TrainingSection) -> Job:
            async def look() -> None:
                await self.look(section)

            return look

        return [
            (f"training {one.station} {one.market}", job(one), LOOK_EVERY_S)
            for one in self._sections
        ]

    async def look(self, section: TrainingSection, now_ms: int | None = None) -> None:
        """Tell of a training that has ended, and start one that is due.

        Raises:
            NotFound: there is no such station.
        """
        if self.pid is not None:
            return
        if self._running is not None:
            ended, self._running = self._running, None
            await self._tell(ended)
        await fleet.find(self._pool, section.station)
        last = await retraining.newest(self._pool, section.station, section.market)
        present_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        if not due(last, section, present_ms) or await retraining.goes_on(self._pool):
            return
        if last is not None and last.state is State.RUNNING and last.starts >= MOST_STARTS:
            await retraining.give_up(self._pool, last.id, present_ms)
            await self._tell(section)
            return
        asked = TrainerTask(self._task.config, self._task.dsn, section, SCHEDULE)
        self._child, self._running = Child("trainer", MODULE, asked.to_json()), section
        self._child.start()

    async def _tell(self, section: TrainingSection) -> None:
        """Log what became of a training; the same failure once."""
        place = section.station, section.market
        last = await retraining.newest(self._pool, *place)
        if last is None or last.state is State.RUNNING:
            _log.warning("training cut off station=%s market=%s, it will go on", *place)
        elif last.state is State.FAILED:
            if self._told.get(place) != last.error:
                _log.error("training failed station=%s market=%s reason=%s", *place, last.error)
            self._told[place] = last.error
        else:
            self._told.pop(place, None)
            reason = "" if last.verdict is None else last.verdict.reason
            what = last.state.value
            _log.info("policy %s station=%s market=%s reason=%s", what, *place, reason)


def due(last: Training | None, section: TrainingSection, now_ms: int) -> bool:
    """Return whether a policy is to be learnt anew, or a training that was cut to go on."""
    if last is None or last.state is State.RUNNING:
        return True
    every_ms = round(section.every_days * DAY_MS)
    if last.state is State.FAILED:
        every_ms = min(every_ms, _AGAIN_MS)
    return now_ms - last.begun_ms >= every_ms
