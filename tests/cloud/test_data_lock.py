"""One living cloud per data folder; a killed one leaves it free."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.data_lock import held
from cloud.errors import DataInUseError
from cloud.main import in_words, main

HOLDER = """
import pathlib, signal, sys
from cloud.data_lock import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


@contextmanager
def another_cloud(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("more", [[], ["--prepare"]])
def test_a_second_cloud_on_a_running_ones_data_touches_nothing(tmp_path, capsys, more):
    config = tmp_path / "cloud.toml"
    config.write_text('data_dir = "data"\n')

    with another_cloud(tmp_path / "data") as running:
        status = main([str(config), *more])

    told = capsys.readouterr().err
    assert status == 1
    assert told.startswith("stationmaster: the cloud did not start: ")
    assert f"is in use by process {running.pid}" in told
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cloud.lock"]


def test_a_killed_cloud_leaves_its_data_to_the_next(tmp_path):
    with another_cloud(tmp_path):
        pass

    with held(tmp_path):
        assert (tmp_path / "cloud.lock").read_text() == f"{os.getpid()}\n"


def test_a_cloud_in_the_same_process_is_a_second_one_too(tmp_path):
    with held(tmp_path), pytest.raises(DataInUseError), held(tmp_path):
        pass


def test_a_terminal_is_told_where_the_console_is_and_how_to_sign_in():
    line = {
        "ready": True,
        "addresses": {"web": "http://127.0.0.1:8000", "edge": "https://127.0.0.1:9443"},
        "first_sign_in": {"user": "admin", "password": "x7"},
    }

    words = "\n".join(in_words(line))

    assert "Console   http://127.0.0.1:8000" in words
    assert "admin" in words
    assert "x7" in words
    assert in_words({"step": "database"}) == []


def test_a_terminal_is_told_when_there_is_no_console():
    assert "only does jobs" in in_words({"ready": True, "addresses": {}})[0]
