"""The jobs of the clock: one that fails stops no other and is told once; a stop is no failure."""

import asyncio
import json
import logging
import signal
import sys

import psycopg
import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from cloud.config import CloudConfig
from cloud.jobs import Jobs
from cloud.keys import open_keys
from cloud.workers import Task
from tests.cloud.stations import create_station


@pytest.fixture
async def jobs(pool, dsn, tmp_path):
    open_keys(tmp_path / "keys")
    for station in ("alpha", "beta", "gamma"):
        await create_station(pool, station)
    return Jobs(Task(CloudConfig(data_dir=tmp_path), dsn, {}), pool)


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("a mistake of ours")])
async def test_a_station_whose_job_fails_stops_no_other_and_is_told_once(jobs, caplog, error):
    done: list[str] = []

    async def job(station: str) -> None:
        if station == "beta" and len(done) < 5:
            raise error
        done.append(station)

    with caplog.at_level(logging.INFO, logger="cloud.jobs"):
        for _ in range(3):
            await jobs._each_station("rollups", job)()

    told = [record.getMessage() for record in caplog.records]
    assert done == ["alpha", "gamma", "alpha", "gamma", "alpha", "beta", "gamma"]
    assert told == [
        f"job failed name=rollups beta reason={error}",
        "job recovered name=rollups beta",
    ]
    assert (caplog.records[0].exc_info not in (None, False)) == isinstance(error, ValueError)


async def test_a_job_that_is_due_again_while_it_runs_is_told_only_when_it_takes_long(
    pool, dsn, tmp_path, caplog
):
    open_keys(tmp_path / "keys")
    now_s = [0.0]
    task = Task(CloudConfig(data_dir=tmp_path), dsn, {})
    jobs, scheduler = Jobs(task, pool, lambda: now_s[0]), AsyncIOScheduler()
    jobs.schedule(scheduler)

    def due_again() -> None:
        event = JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, "alarms", "default", [])
        scheduler._dispatch_event(event)

    async def job() -> None:
        for second in (2.0, 61.0, 62.0):
            now_s[0] = second
            due_again()

    with caplog.at_level(logging.INFO, logger="cloud.jobs"):
        await jobs._timed("alarms", job)
        due_again()

    assert [record.getMessage() for record in caplog.records] == [
        "job takes long name=alarms after_s=61",
        "job ended name=alarms after_s=62",
    ]


async def test_a_stop_in_the_middle_of_jobs_is_no_fault_of_theirs(jobs, pool, dsn, tmp_path):
    task = Task(CloudConfig(data_dir=tmp_path), dsn, {})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "cloud.jobs"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            await conn.execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE")
            process.stdin.write(json.dumps(task.to_json()).encode())
            process.stdin.write_eof()
            await waiting_for_a_lock(pool)
            process.send_signal(signal.SIGTERM)
            _, told = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()

    log = told.decode()
    assert process.returncode == 0, log
    assert "job stopped name=" in log
    assert "Traceback" not in log
    assert "ERROR" not in log


async def waiting_for_a_lock(pool) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    waiting += " AND wait_event_type = 'Lock'"
    async with asyncio.timeout(60):
        while True:
            async with pool.connection() as conn:
                if (await (await conn.execute(waiting)).fetchone())[0]:
                    return
                await conn.execute("SELECT pg_sleep(0.05)")
