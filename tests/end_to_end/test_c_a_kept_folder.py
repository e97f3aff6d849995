"""A demo that was kept is started again tier by tier, by hand, from its files alone."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import demo_config, processes
from launcher.cloud_client import CloudClient
from launcher.demo_config import Folders
from tests.waiting import wait_until


@pytest.fixture
def tiers() -> Iterator[list[processes.Child]]:
    """What a test starts by hand, ended in reverse order."""
    started: list[processes.Child] = []
    yield started
    for child in reversed(started):
        child.stop()


def keep_a_demo(folder: Path) -> str:
    """Run a demo for some seconds into `folder`; return what it printed."""
    command = [sys.executable, "-P", "-m", "launcher", "demo", "--no-browser", "--minutes", "0.1"]
    done = subprocess.run(
        [*command, "--keep", str(folder)], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def printed(name: str, text: str) -> str:
    found = re.search(rf"^\s*{name}\s+(\S+)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_a_kept_demo_runs_again_from_its_files(tmp_path: Path, tiers: list[processes.Child]):
    folders = Folders(tmp_path / "my-station")
    text = keep_a_demo(folders.root)
    console, password = printed("Console", text), printed("Password", text)

    for tier, file in (
        ("simulate", folders.plant / "plant.toml"),
        ("simulate-exchange", folders.market / "exchange.toml"),
        ("cloud", folders.cloud / "cloud.toml"),
    ):
        tiers.append(
            processes.start(tier, ["launcher", tier, str(file)], folders.logs / f"{tier}-again")
        )
        ready = tiers[-1].wait_ready(90)
    again_ms = int(time.time() * 1000)
    file = folders.station / "station.toml"
    tiers.append(
        processes.start("station", ["launcher", "station", str(file)], folders.logs / "again")
    )

    assert ready["addresses"]["web"] == console
    with CloudClient(console) as client:
        client.sign_in("admin", password)
        for device, layout in (("METER", "meter"), ("C2-R10", "rack.cells/416"), ("C1-PCS", "pcs")):
            wait_until(
                lambda device=device, layout=layout: client.samples(
                    demo_config.STATION_ID, device, layout, again_ms, again_ms + 600_000
                )["times_ms"],
                f"telemetry of {device} after the second start",
                90,
            )
    assert all(tier.running() for tier in tiers)
