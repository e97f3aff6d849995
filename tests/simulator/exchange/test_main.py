"""The exchange as it is started: a process of its own, one line of JSON, a clean stop."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from simulator.exchange.config import load_config
from simulator.exchange.desk import Desk
from simulator.exchange.mischief import Mischief
from tests.exchange_market import running_exchange, write_config
from tests.simulator.test_main import ROOT, first_line


def _start(path: Path, *folder: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simulator.exchange", str(path), *folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_its_port_serves_and_stops_cleanly(tmp_path: Path):
    config = write_config(tmp_path)
    own = tmp_path / "own"

    process = _start(config, str(own))
    announced = json.loads(first_line(process))
    port = announced["ports"]["exchange"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health", timeout=10) as answer:
        assert json.loads(answer.read()) == {"status": "open"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/log", timeout=10)
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 0, errors
    assert f"event=serving port={port}" in errors
    assert json.loads((own / "ports.json").read_text()) == announced["ports"]
    secret = own / "token"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_text().strip()) > 30


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('clock = "manual"', 'clock = "sundial"', "clock"),
        ('file = "prices.csv"', 'file = "none.csv"', "name a file that exists"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Atlantis"', "is no time zone"),
        ("start = 2026-03-09T08:00:00Z", "", "manual clock needs start"),
        ("due_minutes_before = 5", "", "alone"),
        ('column = "ahead"', 'column = "behind"', "behind"),
    ],
)
def test_a_wrong_configuration_ends_with_one_line_that_says_why(
    tmp_path: Path, old: str, new: str, words: str, capsys: pytest.CaptureFixture[str]
):
    from simulator.exchange.main import run

    config = write_config(tmp_path)
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new, 1), "utf-8")

    status = run(config, ready=lambda _: os.kill(os.getpid(), signal.SIGTERM))

    assert status == 2
    assert words in capsys.readouterr().err


def test_the_exchange_of_the_demo_can_be_loaded():
    config = load_config(ROOT / "data/simulator/exchange.toml")

    assert [one.id for one in config.markets[0].products] == [
        "day-ahead-energy",
        "intraday-energy",
        "local-energy",
        "minute-energy",
        "regulation",
    ]


def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path: Path):
    config = load_config(write_config(tmp_path))
    desk = Desk(config)
    desk.submit("test-exchange", "k1", b"not a table", "", None)
    desk.close()
    with (tmp_path / "exchange/journal.jsonl").open("a") as journal:
        journal.write('{"kind": "taken", "mar')

    again = Desk(config)

    assert json.loads(again.state("k1").body)["status"] == "rejected"
    assert again.state("k2").status == 404
    again.close()


def test_commands_that_make_no_sense_are_refused(tmp_path: Path):
    with running_exchange(write_config(tmp_path)) as exchange:
        for method, path, body, status in [
            ("POST", "/v1/misbehave", {"kind": "explode"}, 400),
            ("POST", "/v1/clock", {"now": "2026-03-09T07:00:00Z"}, 409),
            ("POST", "/v1/clock", {"now": "noon"}, 400),
            ("PUT", "/v1/meter/test-exchange/s1", {"intervals": [{"start": 1}]}, 400),
            (
                "PUT",
                "/v1/meter/test-exchange/s1",
                {"intervals": [{"start": "2026-03-09T08:00Z", "minutes": 15, "energy_mwh": 1}]},
                400,
            ),
            ("PUT", "/v1/meter/atlantis/s1", {"intervals": []}, 404),
            ("POST", "/v1/submissions/test-exchange", {}, 400),
            ("GET", "/v1/statements/test-exchange/s1/someday", None, 404),
            ("GET", "/v1/prices/test-exchange/tulips/2026-03-10", None, 404),
            ("GET", "/v1/nowhere", None, 404),
        ]:
            with pytest.raises(urllib.error.HTTPError) as caught:
                exchange.ask(method, path, body)
            assert caught.value.code == status, path
        exchange.misbehave("reject", 3)
        exchange.misbehave("none")
        assert exchange.outcomes() == []
    assert {one.value for one in Mischief} >= {"late", "partial", "reject", "duplicate"}
