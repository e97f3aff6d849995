"""A policy is learnt anew from the shell, from the stored prices of a running cloud."""

import asyncio
import os
import re
import shlex
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from cloud.db import create_pool
from launcher.main import app
from tests.cloud.conftest import dsn, server_dsn, template  # noqa: F401 - fixtures
from tests.cloud.market.retraining.made import MARKET, ROUND, station, store

GUIDE = Path(__file__).parents[2] / "docs" / "market-bidding.md"
TRAINING = f"""
[[market.trainings]]
station = "s1"
market = "{MARKET.id}"
price = "tx.real_time"
day_ahead = "tx.day_ahead"
unseen_weeks = 4
"""


@pytest.fixture
def folder(dsn, tmp_path, monkeypatch):  # noqa: F811 - the fixture
    parts = conninfo_to_dict(dsn)
    address = " ".join(f"{key}='{value}'" for key, value in parts.items())
    (tmp_path / "cloud.toml").write_text(
        f'data_dir = "{tmp_path}/d"\n[database]\ndsn = "{address}"\n{TRAINING}', "utf-8"
    )
    asyncio.run(_fill(dsn))
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def _fill(address: str) -> None:
    pool = create_pool(address, 2, 2.0)
    await pool.open()
    await station(pool)
    await store(pool)
    await pool.close()


def printed_command() -> list[str]:
    guide = GUIDE.read_text("utf-8")
    found = re.search(r"^\./stationmaster (market retrain .*)$", guide, re.MULTILINE)
    assert found
    return shlex.split(found[1])


def test_the_command_of_the_guide_trains_and_says_the_verdict(folder):
    few = ["--steps", str(ROUND), "--seeds", "1", "--allow-short"]

    done = CliRunner().invoke(app, [*printed_command(), *few])

    assert done.exit_code == 0, done.output
    assert f"s1 at {MARKET.id}: learnt from 2024-05-06 on, judged on 4 unseen weeks" in done.output
    assert "short history: 130 of 1,095 days" in done.output
    assert re.search("promoted: policy [0-9a-f]{12} may bid|kept out: it never bids", done.output)
    assert (folder / "d" / "policies" / "s1" / MARKET.id / "training" / "card.json").exists()


def test_without_pytorch_the_remedy_is_said(folder, monkeypatch):
    blocked = 'raise ModuleNotFoundError("No module named torch", name="torch")\n'
    (folder / "torch.py").write_text(blocked, "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")

    done = CliRunner().invoke(app, printed_command())

    assert done.exit_code == 1
    assert "torch is not installed" in str(done.exception)
    assert "pip install -e '.[policy]'" in str(done.exception)


def test_looking_says_what_is_wrong_and_trains_nothing(folder):
    fine = CliRunner().invoke(app, [*printed_command(), "--look"])
    text = (folder / "cloud.toml").read_text("utf-8")
    (folder / "cloud.toml").write_text(text.replace('"s1"', '"nope"'), "utf-8")
    nobody = CliRunner().invoke(app, [*printed_command(), "--look"])

    assert (fine.exit_code, fine.output) == (0, "")
    assert nobody.exit_code == 1
    assert "nope" in str(nobody.exception)
    assert not (folder / "d" / "policies").exists()


def test_what_is_wrong_in_the_options_is_said_before_anything_is_trained(folder):
    nobody = CliRunner().invoke(app, [*printed_command(), "--station", "s2"])
    few = CliRunner().invoke(app, [*printed_command(), "--steps", "3"])

    assert (nobody.exit_code, few.exit_code) == (1, 1)
    assert "has no such [[market.trainings]]" in str(nobody.exception)
    assert "--steps 3: " in str(few.exception)
