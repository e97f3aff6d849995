"""A cloud says what of it is not ready."""

import os

import pytest

from cloud.config import load
from cloud.readiness import JOBS_FILE, main, trouble

ROLES = """
data_dir = "data"
workers = {workers}
jobs = {jobs}
[database]
dsn = "postgresql://nobody@127.0.0.1/nothing"
"""


@pytest.fixture
def cloud(tmp_path):
    def write(workers: int, jobs: str):
        path = tmp_path / "cloud.toml"
        path.write_text(ROLES.format(workers=workers, jobs=jobs))
        (tmp_path / "data").mkdir(exist_ok=True)
        return path

    return write


def test_workers_that_were_never_started_are_not_ready(cloud, capsys):
    assert main([str(cloud(1, "false"))]) == 1
    assert capsys.readouterr().out == "no web worker answers\n"


def test_jobs_are_ready_while_they_tell_of_themselves(cloud, tmp_path):
    config = load(cloud(0, "true"))
    told = tmp_path / "data" / JOBS_FILE

    assert "the jobs worker has not told" in str(trouble(config))
    told.touch()
    assert trouble(config) is None
    os.utime(told, (1, 1))
    assert "the jobs worker has not told" in str(trouble(config))


def test_a_cloud_of_both_parts_is_ready_only_as_a_whole(cloud, tmp_path):
    config = load(cloud(1, "true"))
    (tmp_path / "data" / JOBS_FILE).touch()

    assert trouble(config) == "no web worker answers"


def test_a_wrong_configuration_is_told_apart(cloud, capsys):
    assert main([str(cloud(0, "false"))]) == 2
    assert "leave nothing to run" in capsys.readouterr().err
