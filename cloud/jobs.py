"""What is due by the clock: one line per job, in a process of its own.

Every job may run twice or be killed half-way without harm: it takes its locks in the database
and does its work in transactions. Several jobs workers (one per cloud) share the work.
"""

import asyncio
import datetime as dt
import logging
import math
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
import uvloop
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from cloud import alarms
from cloud.bid_job import BidJob
from cloud.catalogue import LayoutCatalogue
from cloud.config_alarms import ChannelSection
from cloud.db.backup import back_up, backup_due
from cloud.db.pool import Pool, connection, create_pool
from cloud.draft_job import DraftJobs
from cloud.epochs import EpochKeys
from cloud.errors import CloudError
from cloud.history.archive.restore import Restorer
from cloud.history.archive.store import open_store
from cloud.history.blocks.compaction import Compactor
from cloud.history.blocks.reading import FrameReader
from cloud.history.query import History, Limits
from cloud.history.retention import policy
from cloud.history.retention.sweep import Retention
from cloud.history.rollups.cells import roll_up_cells
from cloud.history.rollups.job import merge_spans, roll_up
from cloud.hook_job import HookJobs
from cloud.inbox_job import EVERY_S as INBOX_EVERY_S
from cloud.inbox_job import InboxJob
from cloud.keys import open_keys
from cloud.live import Live, intake
from cloud.market import prices
from cloud.news import News
from cloud.readiness import keep_beating
from cloud.training_job import TrainingJobs
from cloud.vault.rotation import rotate_data_key, worn_stations
from cloud.vault.vault import Vault
from cloud.workers import Task, read_task
from contract.errors import ContractError

_log = logging.getLogger(__name__)
_BACKUP_LOOK_S: Final = 300.0
_CLEAN_EVERY_S: Final = 3_600.0
_KEYS_EVERY_S: Final = 3_600.0
_CHECKPOINT_EVERY_S: Final = 60.0
_SETTLE_AGAIN_S: Final = 60.0
_ALARMS_EVERY_S: Final = 1.0
_LONG_S: Final = 60.0
"""A job that is due again before it has ended waits for its next turn; that is told when it has
gone on for so long."""
_POOL_SIZE: Final = 8
_BID_POINTS: Final = 20_000
"""Two counters of a meter by the minute, over a delivery day of 25 hours, six times over."""


class Jobs:
    """The jobs of one process."""

    def __init__(
        self, task: Task, pool: Pool, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._whole = task.config
        self._config = task.config.history
        self._pool = pool
        keys = open_keys(task.config.keys_dir, task.config.keys.pkcs11)
        self._ring = keys.key_encryption
        epochs, vault, layouts = EpochKeys(pool, keys), Vault(pool, keys), LayoutCatalogue(pool)
        self._compactor = Compactor(pool, epochs, vault, layouts)
        self._reader = FrameReader(pool, epochs, vault, layouts)
        self._policy = policy.load(self._config.policy)
        history = History(pool, epochs, vault, layouts, Limits(_BID_POINTS))
        live = Live(pool, epochs, layouts, News(task.dsn))
        policies = task.config.policies_dir
        self._drafts = DraftJobs(pool, vault, live, task.config.market, policies)
        self._bids = BidJob(pool, vault, keys, history, task.config.market)
        self._files = InboxJob(pool, vault, live, task.config.market)
        self._trainings = TrainingJobs(pool, task)
        self._hooks = HookJobs(pool, vault, task.config.market)
        self._restorer = Restorer(pool, vault, layouts, self._reader)
        self._retention: Retention | None = None
        self._failing: set[str] = set()
        self._clock_s = clock_s
        self._begun_s: dict[str, float] = {}
        self._long: set[str] = set()
        definitions = alarms.load(task.config.alarms.definitions)
        self._engine = alarms.Engine(pool, vault, definitions)
        self._notifier = alarms.Notifier(pool, vault, definitions, task.config.notifications)

    def schedule(self, scheduler: Any) -> None:
        """Put all jobs on the clock."""
        each = self._each_station
        for name, job, every_s in (
            ("compact", each("compact", self.compact), self._config.compact_every_s),
            ("hours", each("hours", self.merge_hours), self._config.merge_every_s),
            ("rollups", each("rollups", self.roll_up), self._config.rollup_every_s),
            ("cells", each("cells", self.roll_up_cells), self._config.cells_every_s),
            ("spans", each("spans", self.merge_spans), self._config.spans_every_s),
            ("checkpoint", self.checkpoint, _CHECKPOINT_EVERY_S),
            ("keys", self.replace_worn_keys, _KEYS_EVERY_S),
            ("backup", self.back_up, _BACKUP_LOOK_S),
            ("retention", self.retain, self._config.retain_every_s),
            ("clean", self.clean, _CLEAN_EVERY_S),
            ("prices", self.forget_prices, _CLEAN_EVERY_S),
            *self._drafts.jobs(),
            ("bids", self._bids.work, self._whole.market.work_every_s),
            ("settle again", self._bids.settle_again, _SETTLE_AGAIN_S),
            ("alarms", self.work_alarms, _ALARMS_EVERY_S),
            ("inbox", self._files.work, INBOX_EVERY_S),
            *self._hooks.jobs(),
            *self._trainings.jobs(),
            *self._channels(),
        ):
            scheduler.add_job(
                self._timed,
                "interval",
                [name, job],
                id=name,
                seconds=every_s,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
        scheduler.add_listener(lambda event: self._due_again(event.job_id), EVENT_JOB_MAX_INSTANCES)

    async def compact(self, station: str) -> None:
        """Move waiting batches into blocks, until none is old enough."""
        more = True
        while more:
            done = await self._compactor.compact(station, self._config.compact_after_s)
            more = done.batches > 0

    async def merge_hours(self, station: str) -> None:
        """Merge the parts of past hours, and many parts of the present one."""
        while await self._compactor.merge_hours(station, self._settled_ms()):
            pass

    async def roll_up(self, station: str) -> None:
        """Compute what is dirty, until nothing is."""
        released = self._policy.released(await self._reader.streams(station))
        while await roll_up(self._pool, self._reader, station, released):
            pass

    async def roll_up_cells(self, station: str) -> None:
        """Compute the quarter hours of cells that are over."""
        await roll_up_cells(self._pool, self._reader, station, self._settled_ms())

    async def merge_spans(self, station: str) -> None:
        """Merge rollups of past days and months into their long spans."""
        await merge_spans(self._pool, self._reader, station, self._settled_ms())

    async def checkpoint(self) -> None:
        """Keep the newest images over a crash of the database."""
        await intake.checkpoint(self._pool)

    def _settled_ms(self) -> int:
        """The time before which data are mostly complete."""
        return time.time_ns() // 1_000_000 - int(self._config.hour_grace_s * 1_000)

    async def replace_worn_keys(self) -> None:
        """Give stations a new data key before theirs has sealed too much."""
        for station in await worn_stations(self._pool):
            made = await rotate_data_key(self._pool, self._ring, station)
            _log.info("data key replaced station=%s key=%d", station, made.key_id)

    async def back_up(self) -> None:
        """Back the store up when the newest backup is old enough."""
        if backup_due(self._whole, dt.datetime.now(dt.UTC)):
            await asyncio.to_thread(back_up, self._whole, None, _log.info)

    async def retain(self) -> None:
        """Archive past months, and drop what has been kept as long as the policy says."""
        if self._retention is None:
            section = self._whole.archive
            store = None if section is None else await asyncio.to_thread(open_store, section)
            self._retention = Retention(
                self._pool, self._reader, self._restorer, self._policy, store
            )
        await self._retention.run(await self._stations(), dt.datetime.now(dt.UTC))

    async def work_alarms(self) -> None:
        """Notice lost links, work events into alarms, and put who is to be told into the outbox."""
        present_ms = time.time_ns() // 1_000_000
        await alarms.look_at_links(self._pool, present_ms)
        try:
            await self._engine.run(present_ms)
        finally:  # who waits to be told does not wait for a station whose keys do not open
            await self._notifier.plan(present_ms)

    def _channels(self) -> list[tuple[str, Callable[[], Awaitable[None]], float]]:
        """One job for each channel, so that a dead receiver delays no other."""

        def job(channel: ChannelSection) -> Callable[[], Awaitable[None]]:
            async def send() -> None:
                await self._notifier.send(channel, time.time_ns() // 1_000_000)

            return send

        channels = self._whole.notifications.channels
        return [(f"notify {one.name}", job(one), _ALARMS_EVERY_S) for one in channels]

    async def clean(self) -> None:
        """Remove what has expired: sessions, enrolment tokens, sign-in attempts."""
        async with connection(self._pool) as conn:
            await conn.execute("DELETE FROM sessions WHERE expires_at < now() - interval '1 day'")
            await conn.execute(
                "DELETE FROM enrolment_tokens WHERE expires_at < now() - interval '30 days'"
            )
            await conn.execute("DELETE FROM sign_in_attempts WHERE at < now() - interval '90 days'")

    async def forget_prices(self) -> None:
        """Drop prices that are older than an installation keeps; never of the last three years."""
        kept = dt.timedelta(days=365.25 * self._whole.market.keep_prices_years)
        await prices.forget(self._pool, round((dt.datetime.now(dt.UTC) - kept).timestamp() * 1000))

    async def _stations(self) -> list[str]:
        async with connection(self._pool) as conn:
            rows = await (await conn.execute("SELECT id FROM stations ORDER BY id")).fetchall()
        return [row[0] for row in rows]

    def _each_station(
        self, name: str, job: Callable[[str], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        """Return a job that does `job` for every station; one that fails stops no other."""

        async def all_stations() -> None:
            for station in await self._stations():
                await self._watched(f"{name} {station}", lambda station=station: job(station))  # type: ignore[misc]

        return all_stations

    async def _timed(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job of the clock; one that was told to take long has its end told, too."""
        self._begun_s[name] = self._clock_s()
        try:
            await self._watched(name, job)
        except asyncio.CancelledError:
            # Nobody but the end of the process cancels it: cut off as by a kill, and no fault.
            _log.info("job stopped name=%s", name)
        finally:
            took_s = self._clock_s() - self._begun_s.pop(name)
            if name in self._long:
                self._long.discard(name)
                _log.info("job ended name=%s after_s=%.0f", name, took_s)

    def _due_again(self, name: str) -> None:
        """Tell once that a job goes on for long while it is due again."""
        took_s = self._clock_s() - self._begun_s.get(name, math.inf)
        if took_s >= _LONG_S and name not in self._long:
            self._long.add(name)
            _log.warning("job takes long name=%s after_s=%.0f", name, took_s)

    async def _watched(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job; tell its failure once and its recovery once.

        This is the one loop that goes on whatever a job raises; what is none of our errors is a
        mistake of ours and leaves its traceback.
        """
        try:
            await job()
        except Exception as error:  # noqa: BLE001 - the one supervised loop
            if name not in self._failing:
                self._failing.add(name)
                ours = isinstance(error, CloudError | ContractError | psycopg.Error | OSError)
                _log.error("job failed name=%s reason=%s", name, error, exc_info=not ours)
        else:
            if name in self._failing:
                self._failing.discard(name)
                _log.info("job recovered name=%s", name)


async def run(task: Task) -> None:
    """Run jobs until SIGTERM."""
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    pool = create_pool(task.dsn, _POOL_SIZE, task.config.database.pool_timeout_s)
    await pool.open()
    scheduler = AsyncIOScheduler(timezone="UTC")
    Jobs(task, pool).schedule(scheduler)
    scheduler.start()
    beating = asyncio.create_task(keep_beating(pool, task.config.data_dir))
    try:
        await leaving.wait()
    finally:
        beating.cancel()
        scheduler.shutdown(wait=False)
        await pool.close()


def main() -> None:
    """Entry point of `python -m cloud.jobs`."""
    task = read_task()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(task))


if __name__ == "__main__":
    main()
