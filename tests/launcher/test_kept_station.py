"""A kept folder's station reaches the cloud without the demo's relay, however the demo ended."""

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from launcher import demo
from launcher.demo import DemoOptions, run_demo
from launcher.errors import LauncherError
from launcher.stopping import StoppedError

EDGE = "https://127.0.0.1:9443"


def ending_with(error: Exception | None):
    """A demo that has enrolled its station through the relay and then ends like this."""

    def run(self: "demo._Demo") -> int:
        stack = self.stack
        stack.folders.make()
        stack.addresses = {"edge": EDGE, "enrol": "https://127.0.0.1:9444", "ca": "ca.pem"}
        stack.device_ports = defaultdict(lambda: 1502)
        stack.station_config = stack.write_station("https://127.0.0.1:40001")
        if error is not None:
            raise error
        return 0

    return run


def kept(folder: Path) -> str:
    text = (folder / "station" / "station.toml").read_text()
    return str(tomllib.loads(text)["cloud"]["url"])


def options(keep: Path) -> DemoOptions:
    return DemoOptions(0.1, "normal-day", report=None, keep=keep, browser=False)


def test_a_demo_whose_station_was_killed_leaves_the_lasting_address(tmp_path, monkeypatch):
    monkeypatch.setattr(demo._Demo, "run", ending_with(LauncherError("the station ended")))

    with pytest.raises(LauncherError, match="the station ended"):
        run_demo(options(tmp_path / "kept"))

    assert kept(tmp_path / "kept") == EDGE


@pytest.mark.parametrize("error", [None, StoppedError()])
def test_a_demo_that_ends_or_is_stopped_leaves_it_too(tmp_path, monkeypatch, error):
    monkeypatch.setattr(demo._Demo, "run", ending_with(error))

    run_demo(options(tmp_path / "kept"))

    assert kept(tmp_path / "kept") == EDGE


def test_a_demo_that_fails_before_it_has_a_station_says_only_why(tmp_path, monkeypatch):
    def fail(self: "demo._Demo") -> int:
        raise LauncherError("the plant ended")

    monkeypatch.setattr(demo._Demo, "run", fail)

    with pytest.raises(LauncherError, match="the plant ended"):
        run_demo(options(tmp_path / "kept"))
