"""Parts of a demo end with the one who started them, and their end is told in words."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from launcher import processes
from launcher.errors import ChildEndedError, ChildStartError
from launcher.stopping import StoppedError
from tests.waiting import wait_until

SLEEPER = "import json, signal; print(json.dumps({'ready': True}), flush=True); signal.pause()"
FALLER = "import sys; sys.exit('the floor is wet')"


def module(folder: Path, text: str) -> Path:
    (folder / "part.py").write_text(text)
    return folder


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def at(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_a_part_ends_when_the_launcher_is_killed(at):
    module(at, SLEEPER)
    launcher = (
        "import pathlib, signal; from launcher import processes;"
        f"child = processes.start('part', ['part'], pathlib.Path({str(at / 'log')!r}));"
        "child.wait_ready(30); print(child.pid, flush=True); signal.pause()"
    )

    with subprocess.Popen([sys.executable, "-c", launcher], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()

    wait_until(lambda: gone(pid), "the end of the part")


def test_a_part_that_was_killed_is_named_with_its_signal_and_its_last_words(at, capfd):
    child = processes.start("part", ["part"], module(at, SLEEPER) / "log")
    child.wait_ready(30)
    child.log.write_text("the roof leaks\n")

    os.kill(child.pid, signal.SIGKILL)
    child.process.wait(30)

    with pytest.raises(ChildEndedError, match=r"part: it was killed \(signal 9\)"):
        child.require_running()
    assert "the roof leaks" in capfd.readouterr().err


def test_a_part_that_does_not_start_says_why(at, capfd):
    child = processes.start("part", ["part"], module(at, FALLER) / "log")

    with pytest.raises(ChildStartError, match="status 1"):
        child.wait_ready(30)

    assert "the floor is wet" in capfd.readouterr().err


def test_waiting_ends_when_a_stop_is_asked_for(at):
    def stop() -> None:
        raise StoppedError

    child = processes.start("part", ["part"], module(at, "import signal; signal.pause()") / "log")

    with pytest.raises(StoppedError):
        child.wait_ready(30, stop)

    assert child.running()
    child.stop()


def test_a_helper_that_is_stopped_does_not_run_on(at):
    module(at, f"import os, pathlib; pathlib.Path({str(at / 'pid')!r}).write_text(str(os.getpid()))"
    "; import signal; signal.pause()")  # fmt: skip

    def stop_once_it_runs() -> None:
        if (at / "pid").is_file() and (at / "pid").read_text():
            raise StoppedError

    with pytest.raises(StoppedError):
        processes.run_to_end(["part"], stop_once_it_runs)

    assert gone(int((at / "pid").read_text()))
