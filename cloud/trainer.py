"""The process that trains a bidding policy: `python -m cloud.trainer`, one at a time, niced.

It reads from its standard input where the store is and what is asked for, holds the lock of
trainings while it lives, tells the store how far it is, and keeps the gate's verdict. Killed at any
step it leaves a record that the next one goes on with. It alone loads what trains.
"""

import asyncio
import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from cloud import fleet
from cloud.config import CloudConfig
from cloud.config_training import TrainingSection
from cloud.db.pool import Pool, create_pool
from cloud.errors import CloudError
from cloud.market.battery import Battery
from cloud.market.errors import TooLittleHistory
from cloud.market.exchanges import Market, load_market
from cloud.market.retraining import Fault, Training, Wish, record
from cloud.market.wear import DEFAULT_WEAR, read_wear
from cloud.sold import plate_battery
from cloud.workers import set_up_logging

_log = logging.getLogger(__name__)

MODULE: Final = "cloud.trainer"
FAILED: Final = 1
"""Nothing came of it; the record says why."""
BUSY: Final = 75
"""Another training goes on; nothing was changed (EX_TEMPFAIL of sysexits.h)."""
NICE: Final = 10
EXTRAS: Final = {
    **dict.fromkeys(("gymnasium", "onnx", "stable_baselines3", "torch"), "policy"),
    **dict.fromkeys(("highspy", "lightgbm", "numba", "onnxruntime", "pandas", "scipy"), "market"),
}
"""Extra of pyproject.toml by the library that it brings."""


@dataclass(frozen=True)
class TrainerTask:
    """What the process is told.

    Attributes:
        config: of the cloud.
        dsn: address of the database, with its password.
        section: what is trained.
        asked_by: a user, or the schedule.
    """

    config: CloudConfig
    dsn: str
    section: TrainingSection
    asked_by: str

    def to_json(self) -> dict[str, Any]:
        """The form that travels through the process's standard input."""
        return {
            "config": self.config.model_dump(mode="json"),
            "dsn": self.dsn,
            "section": self.section.model_dump(mode="json"),
            "asked_by": self.asked_by,
        }


def read_task() -> TrainerTask:
    """Read the task from standard input."""
    told = json.load(sys.stdin)
    return TrainerTask(
        CloudConfig.model_validate(told["config"]),
        told["dsn"],
        TrainingSection.model_validate(told["section"]),
        told["asked_by"],
    )


def wish_of(section: TrainingSection) -> Wish:
    """Return what a section of the configuration asks for."""
    return Wish(
        station=section.station,
        market=section.market,
        price=section.price,
        day_ahead=section.day_ahead,
        unseen_weeks=section.unseen_weeks,
        steps=section.steps,
        seeds=section.seeds,
        allow_short=section.allow_short_history,
    )


def run(task: TrainerTask) -> int:
    """Train; return the status that the process ends with."""
    with psycopg.connect(task.dsn, autocommit=True, row_factory=dict_row) as conn:
        try:
            record.lock(conn)
            asyncio.run(_require_station(task))
        except CloudError as error:
            _log.error("training refused reason=%s", error)
            return BUSY if isinstance(error, record.TrainingGoesOn) else FAILED
        begun = record.begin(conn, wish_of(task.section), task.asked_by, _now_ms())
        try:
            _train(conn, task, begun)
        except psycopg.Error:  # the record cannot be reached: the next process goes on with it
            raise
        except Exception as error:  # noqa: BLE001 - the one place where a training ends
            fault, told = _fault(error)
            if fault is Fault.MISTAKE:  # who started this process tells all others
                _log.exception("training failed")
            record.fail(conn, begun.id, fault, told, _now_ms())
            return FAILED
    return 0


def _train(conn: record.Conn, task: TrainerTask, begun: Training) -> None:
    # First, so that a missing library is told before years of prices are read.
    from cloud.market.retraining import work  # noqa: PLC0415

    market = load_market(begun.wish.market)
    stored, battery = asyncio.run(_inputs(task, market, begun))
    work.train(conn, begun, stored, market=market, battery=battery, root=task.config.policies_dir)


async def _inputs(task: TrainerTask, market: Market, begun: Training) -> tuple[Any, Battery]:
    from cloud.market.retraining.courses import read_stored  # noqa: PLC0415 - as above

    rule = read_wear(task.section.wear_file or DEFAULT_WEAR)
    pool = await _opened(task)
    try:
        battery = await plate_battery(pool, begun.wish.station, rule)
        return await read_stored(pool, begun.wish, market, begun.known_ms), battery
    finally:
        await pool.close()


async def _require_station(task: TrainerTask) -> None:
    pool = await _opened(task)
    try:
        await fleet.find(pool, task.section.station)
    finally:
        await pool.close()


async def _opened(task: TrainerTask) -> Pool:
    pool = create_pool(task.dsn, 1, task.config.database.pool_timeout_s)
    await pool.open()
    return pool


def _fault(error: Exception) -> tuple[Fault, str]:
    """Return what kept a training from its end, in words with the remedy."""
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        extra = EXTRAS.get(name)
        if extra is not None:
            return Fault.EXTRA, (
                f"{name} is not installed, and nothing can be trained without it: "
                f"pip install -e '.[{extra}]' where this cloud runs; what bids goes on bidding"
            )
    if isinstance(error, TooLittleHistory):
        return Fault.HISTORY, str(error)
    if isinstance(error, CloudError):
        return Fault.PRICES, str(error)
    return Fault.MISTAKE, f"{type(error).__name__}: {error}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Entry point of `python -m cloud.trainer`."""
    os.nice(NICE)
    task = read_task()
    set_up_logging(task.config)
    sys.exit(run(task))


if __name__ == "__main__":
    main()
