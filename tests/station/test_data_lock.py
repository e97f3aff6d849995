"""One living station per data folder; a killed one leaves it free."""

import os
import subprocess
import sys

import pytest

from station.data_lock import DataInUseError, held

HOLDER = """
import pathlib, signal, sys
from station.data_lock import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_a_second_station_on_the_same_folder_is_told_who_has_it(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"

        with pytest.raises(DataInUseError, match=f"in use by process {first.pid}"), held(tmp_path):
            pass

        first.kill()

    with held(tmp_path):
        assert (tmp_path / "station.lock").read_text() == f"{os.getpid()}\n"
