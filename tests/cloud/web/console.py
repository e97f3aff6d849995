"""The console as it runs: user application on a real port, one fed station, a real database."""

import asyncio
import datetime as dt
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from cloud import alarms, fleet
from cloud.access import Passwords, ensure_admin
from cloud.app import Worker, open_worker
from cloud.config import CloudConfig
from cloud.web.user_app import create_user_app
from tests.cloud.web.feeder import Feeder, now_ms
from tests.cloud.web.plant import CAPACITY_KWH, RATED_KW, SELDOM_MS, Plant, day_schedule_kw
from tests.waiting import wait_until

_T = TypeVar("_T")

ZONE = "Asia/Shanghai"
STATION = "haibin-1"
FACTS = fleet.StationFacts(STATION, "Haibin 1", "海滨一站", ZONE, RATED_KW, CAPACITY_KWH)
PATIENT = {"pool_timeout_s": 20.0}
"""Configuration of a database on a loaded machine, which takes its time to let a client in."""
_HISTORY_MS = 20 * 60_000
_ALARMS_EVERY_S = 0.2


def quick_passwords() -> Passwords:
    """Real argon2id with parameters for tests."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def midnight_ms() -> int:
    today = dt.datetime.now(ZoneInfo(ZONE)).date()
    return round(dt.datetime.combine(today, dt.time(), tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)


@dataclass
class Console:
    """A running console: its address, the first sign-in, the station, the loop they run in."""

    url: str
    user: str
    password: str
    feeder: Feeder
    worker: Worker
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, _T], most_s: float = 60) -> _T:
        """Run a coroutine in the console's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(most_s)


@contextmanager
def running_console(dsn: str, data_dir: Path, history_ms: int = _HISTORY_MS) -> Iterator[Console]:
    """Run the console in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    found: list[Console] = []
    failed: list[BaseException] = []
    stop = threading.Event()

    async def main() -> None:
        config = CloudConfig(data_dir=data_dir, database=PATIENT)
        async with (
            open_worker(config, dsn) as worker,
            serving(create_user_app(worker.services), listener),
        ):
            found.append(await _fill(worker, listener, history_ms))
            feeding = asyncio.ensure_future(found[0].feeder.run())
            alarming = asyncio.ensure_future(_work_alarms(worker))
            stopping = asyncio.ensure_future(asyncio.to_thread(stop.wait))
            await asyncio.wait({feeding, stopping, alarming}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                feeding.cancel()
                alarming.cancel()
            await asyncio.gather(feeding, alarming, return_exceptions=stop.is_set())

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_until(lambda: found or failed, "the console to run", 150)
    if failed:
        raise failed[0]
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join(20)


async def _work_alarms(worker: Worker) -> None:
    """Do what the job does: notice lost links, work events into alarms."""
    services = worker.services
    engine = alarms.Engine(services.pool, services.vault, alarms.load())
    while True:
        with suppress(PoolTimeout):  # as the job, which tries again with its next turn
            await alarms.look_at_links(services.pool, now_ms())
            await engine.run(now_ms())
        await asyncio.sleep(_ALARMS_EVERY_S)


def _user_app(worker: Worker, listener: socket.socket) -> AbstractAsyncContextManager[None]:
    return serving(create_user_app(worker.services), listener)


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application on a socket."""
    config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.ensure_future(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def _fill(worker: Worker, listener: socket.socket, history_ms: int) -> Console:
    services = worker.services
    first = await ensure_admin(services.pool, quick_passwords())
    assert first is not None
    plant = Plant(midnight_ms())
    feeder = await Feeder.enrol(worker, FACTS, plant)
    await _order_day(worker)
    present = now_ms() // 1000 * 1000
    seldom = present // SELDOM_MS * SELDOM_MS  # told whole: what comes seldom is there as well
    await feeder.history(present - history_ms, seldom)
    await feeder.second(seldom)
    if seldom < present:
        await feeder.history(seldom + 1000, present)
        await feeder.second(present)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    loop = asyncio.get_running_loop()
    return Console(url, first.user, first.password, feeder, worker, loop)


async def _order_day(worker: Worker) -> None:
    services = worker.services
    station = await fleet.find(services.pool, STATION)
    date = dt.datetime.now(ZoneInfo(ZONE)).date()
    payload = {"date": date.isoformat(), "interval_min": 15, "power_kw": day_schedule_kw()}
    schedule = fleet.read(payload, station)
    pool, vault = services.pool, services.vault
    planned = await fleet.plan(pool, vault, station, schedule, fleet.Now(now_ms(), None))
    await fleet.send(pool, vault, services.keys, station, planned, now_ms=now_ms(), sender="test")
