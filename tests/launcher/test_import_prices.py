"""Prices go into the store of a running cloud from the shell."""

import json
import re
import shlex
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from launcher.main import app
from tests.cloud.conftest import dsn, server_dsn, template  # noqa: F401 - fixtures

GUIDE = Path(__file__).parents[2] / "docs" / "market-prices.md"


@pytest.fixture
def folder(dsn, tmp_path, monkeypatch):  # noqa: F811 - the fixture
    parts = conninfo_to_dict(dsn)
    address = " ".join(f"{key}='{value}'" for key, value in parts.items())
    (tmp_path / "cloud.toml").write_text(
        f'data_dir = "d"\n[database]\ndsn = "{address}"\n', "utf-8"
    )
    lines = [f"2024-06-{d:02d}T{h:02d}:00Z,{40 + h}" for d in range(1, 5) for h in range(24)]
    (tmp_path / "prices.csv").write_text("begin,price\n" + "\n".join(lines) + "\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed_command() -> list[str]:
    text = GUIDE.read_text("utf-8")
    command = re.search(
        r"^\./stationmaster (market import-prices .*?)\n```", text, re.MULTILINE | re.DOTALL
    )
    assert command
    return shlex.split(command[1].replace("\\\n", " "))


def test_the_command_of_the_guide_imports_a_file_and_a_second_time_nothing(folder):
    first = CliRunner().invoke(app, [*printed_command(), "--json", "report.json"])
    again = CliRunner().invoke(app, printed_command())

    assert first.exit_code == 0, first.output
    assert "de-lu.day_ahead: 96 of 96 rows from prices.csv were news" in first.output
    assert "0 of 96 rows" in again.output
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert (report["added"], report["refused"], report["findings"]) == (96, False, [])


def test_a_refused_file_ends_the_command_with_1_and_says_why(folder):
    file = folder / "prices.csv"
    file.write_text(
        re.sub(r",(\d+)$", r",0.0\1", file.read_text("utf-8"), flags=re.MULTILINE), "utf-8"
    )

    result = CliRunner().invoke(app, printed_command())

    assert result.exit_code == 1
    assert "refused: unit: the dearest hours cost" in result.output
