"""The simulator as it is started: a process, one line of JSON, a clean stop."""

import asyncio
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = "[plant]\ncontainers = 1\nracks_per_container = 1\ncells_per_rack = 8\n"


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    ready, _, _ = select.select([process.stdout], [], [], 30)
    assert ready, "no line on standard output within 30 s"
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_its_ports_serves_and_stops_cleanly(tmp_path, number):
    config = tmp_path / "plant.toml"
    config.write_text('record = "r.sqlite"\nports_out = "ports.json"\n' + SMALL)

    process = start(config)
    announced = json.loads(first_line(process))
    ports = json.loads((tmp_path / "ports.json").read_text())
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 0, errors
    assert announced == {"ready": True, "ports": ports}
    assert set(ports) == {
        *("METER", "FIRE", "PANEL"),
        *("C1-BMS", "C1-CHL", "C1-IMD", "C1-FIRE", "C1-VENT", "C1-PCS"),
    }
    with closing(sqlite3.connect(tmp_path / "r.sqlite")) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert {"served", "truth", "commands"} <= tables


def test_a_wrong_configuration_ends_with_one_line_that_says_why(tmp_path):
    config = tmp_path / "plant.toml"
    config.write_text("start_soc = 7")

    process = start(config)
    output, errors = process.communicate(timeout=30)

    assert process.returncode == 2
    assert output == ""
    assert errors.startswith(f"stationmaster: {config}: start_soc = 7")
    assert "Traceback" not in errors


async def test_a_taken_port_ends_with_one_line_that_says_which(tmp_path):
    taken = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    config = tmp_path / "plant.toml"
    config.write_text(f"{SMALL}[ports]\nbase = {port}")

    process = start(config)
    _, errors = await asyncio.to_thread(process.communicate, timeout=30)
    taken.close()

    assert process.returncode == 1
    assert f"METER cannot listen on 127.0.0.1:{port}" in errors


def test_a_second_plant_on_the_same_record_is_told_who_has_it(tmp_path):
    config = tmp_path / "plant.toml"
    config.write_text('record = "r.sqlite"\n' + SMALL)
    first = start(config)
    first_line(first)

    second = start(config)
    _, errors = second.communicate(timeout=30)

    assert second.returncode == 1
    assert f"in use by process {first.pid}" in errors
    first.terminate()
    assert first.wait(30) == 0


def test_a_port_in_use_is_named_with_file_and_key(tmp_path):
    config = tmp_path / "plant.toml"
    with socket.create_server(("127.0.0.1", 0)) as used:
        config.write_text(f"{SMALL}[ports]\nbase = {used.getsockname()[1]}\n")

        process = start(config)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert f"stationmaster: {config}: ports.base: METER cannot listen" in errors


def test_a_plant_is_put_before_others_where_the_machine_allows_it(tmp_path):
    config = tmp_path / "plant.toml"
    config.write_text("realtime_priority = 3\n" + SMALL)

    process = start(config)
    first_line(process)
    kinds = {
        os.sched_getscheduler(int(thread.name))
        for thread in Path(f"/proc/{process.pid}/task").iterdir()
    }
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=20)

    allowed = "event=realtime_priority level=3" in errors
    assert allowed or "event=no_realtime_priority level=3" in errors
    assert (os.SCHED_RR in kinds) is allowed
    assert process.returncode == 0, errors
