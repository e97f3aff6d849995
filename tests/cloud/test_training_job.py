"""The scheduled training, in its real process: killed, gone on with, refused, told once."""

import asyncio
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import ValidationError

from cloud.config import CloudConfig, load
from cloud.market import retraining
from cloud.market.retraining import MOST_STARTS, Fault, State, record
from cloud.market.retraining.shelf import working_folder
from cloud.trainer import BUSY, TrainerTask, run, wish_of
from cloud.training_job import TrainingJobs, due
from cloud.workers import Task
from tests.cloud.market.retraining.made import MARKET, ROUND, station, store

DAY_MS = 86_400_000
SECTION = {
    "station": "s1",
    "market": MARKET.id,
    "price": "tx.real_time",
    "unseen_weeks": 4,
    "steps": 2 * ROUND,
    "seeds": 2,
    "allow_short_history": True,
}
DEADLINE_S = 90


@pytest.fixture
async def made(pool, dsn, tmp_path):
    await station(pool)
    config = CloudConfig(data_dir=tmp_path, market={"trainings": [SECTION]})
    jobs = TrainingJobs(pool, Task(config, dsn, {}))
    yield jobs, config
    if jobs.pid is not None:
        os.kill(jobs.pid, signal.SIGKILL)


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - files and processes tell no event
            await asyncio.sleep(0.02)


async def let_go(pool) -> None:
    """The server notices within moments that a process has died with its lock."""
    async with asyncio.timeout(DEADLINE_S):
        while await retraining.goes_on(pool):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def test_a_training_that_is_killed_goes_on_where_it_was(made, pool, caplog):
    jobs, config = made
    (section,) = config.market.trainings
    await store(pool)
    first_seed = working_folder(config.policies_dir, wish_of(section)) / "seed-0.onnx"

    await jobs.look(section)
    await until(first_seed.exists)
    os.kill(jobs.pid, signal.SIGKILL)
    await until(lambda: jobs.pid is None)
    written = first_seed.stat().st_mtime_ns
    cut = await retraining.newest(pool, "s1", MARKET.id)
    with caplog.at_level(logging.INFO, logger="cloud.training_job"):
        await let_go(pool)
        await jobs.look(section)
        await until(lambda: jobs.pid is None)
        await jobs.look(section)

    ended = await retraining.newest(pool, "s1", MARKET.id)
    assert cut.state is State.RUNNING
    assert (ended.id, ended.starts) == (cut.id, 2)
    assert ended.state in (State.PROMOTED, State.KEPT)
    assert first_seed.stat().st_mtime_ns == written
    assert ended.notes == ("short history: 130 of 1,095 days",)
    assert "it will go on" in caplog.messages[0]
    assert f"policy {ended.state} station=s1" in caplog.messages[1]
    assert jobs.pid is None


async def test_what_trains_is_missing_and_that_is_told_once(
    made, pool, tmp_path, monkeypatch, caplog
):
    jobs, config = made
    (section,) = config.market.trainings
    blocked = 'raise ModuleNotFoundError("No module named torch", name="torch")\n'
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "torch.py").write_text(blocked, "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'without'}:{os.environ.get('PYTHONPATH', '')}")

    with caplog.at_level(logging.INFO, logger="cloud.training_job"):
        await jobs.look(section)
        await until(lambda: jobs.pid is None)
        for _ in range(3):
            await jobs.look(section)

    (only,) = await retraining.trainings(pool)
    assert (only.state, only.fault) == (State.FAILED, Fault.EXTRA)
    assert "torch is not installed" in only.error
    assert "pip install -e '.[policy]'" in only.error
    assert len([one for one in caplog.messages if "torch" in one]) == 1
    assert due(only, section, only.begun_ms + DAY_MS)
    assert not due(only, section, only.begun_ms + DAY_MS - 1)


async def test_a_second_process_changes_nothing(made, pool, dsn):
    _, config = made
    (section,) = config.market.trainings
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
        record.lock(conn)

        status = await asyncio.to_thread(run, TrainerTask(config, dsn, section, "trader"))

    assert status == BUSY
    assert await retraining.trainings(pool) == []


async def test_too_little_history_is_kept_with_its_remedy(made, pool, dsn):
    _, config = made
    section = config.market.trainings[0].changed({"allow_short_history": False})
    await store(pool)

    status = await asyncio.to_thread(run, TrainerTask(config, dsn, section, "trader"))

    (only,) = await retraining.trainings(pool)
    assert status == 1
    assert (only.fault, only.asked_by) == (Fault.HISTORY, "trader")
    assert "at least 1095 are needed" in only.error


async def test_a_training_whose_process_dies_again_and_again_is_given_up(made, pool, dsn):
    jobs, config = made
    (section,) = config.market.trainings
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
        for _ in range(MOST_STARTS):
            last = record.begin(conn, wish_of(section), "schedule", 1)

    await jobs.look(section)

    (only,) = await retraining.trainings(pool)
    assert jobs.pid is None
    assert (only.id, only.state, only.fault) == (last.id, State.FAILED, Fault.ENDED)
    assert "for want of memory" in only.error


async def test_a_week_after_the_last_start_it_is_due(made, pool, dsn):
    _, config = made
    (section,) = config.market.trainings
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
        begun = record.begin(conn, wish_of(section), "schedule", 0)
    ended = dataclasses.replace(begun, state=State.KEPT)

    assert due(None, section, 0)
    assert due(begun, section, 1)
    assert not due(ended, section, 7 * DAY_MS - 1)
    assert due(ended, section, 7 * DAY_MS)


def test_policies_lie_in_the_data_folder_or_where_the_configuration_says(tmp_path):
    file = tmp_path / "cloud.toml"
    file.write_text('data_dir = "d"\n', "utf-8")
    own = load(file)
    file.write_text('data_dir = "d"\n[market]\npolicies_dir = "shared"\n', "utf-8")
    shared = load(file)

    assert own.policies_dir == tmp_path / "d" / "policies"
    assert shared.policies_dir == tmp_path / "shared"


def test_a_policy_is_named_once(tmp_path):
    with pytest.raises(ValidationError, match="s1 at us-ercot twice"):
        CloudConfig(data_dir=tmp_path, market={"trainings": [SECTION, SECTION]})


def test_the_process_of_the_jobs_loads_nothing_that_trains():
    code = "import sys, cloud.jobs; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )

    heavy = {"torch", "stable_baselines3", "gymnasium", "numba", "onnxruntime", "highspy"}
    assert heavy & set(done.stdout.split()) == set()
