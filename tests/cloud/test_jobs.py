"""The jobs of several stations: one that fails stops no other and is told once."""

import logging

import pytest

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
