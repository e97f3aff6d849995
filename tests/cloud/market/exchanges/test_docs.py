"""docs/market-exchanges.md: its example loads, its tables name what there is, its command runs."""

import json
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

from cloud.market.exchanges import Format, load_market, market_ids
from cloud.market.exchanges.formats.curve_csv import COLUMNS
from cloud.market.exchanges.market import PROFILES
from simulator.exchange.mischief import Mischief
from tests.simulator.test_main import ROOT, first_line

TEXT = (ROOT / "docs/market-exchanges.md").read_text("utf-8")


def test_the_example_of_a_market_loads(tmp_path: Path):
    example = next(e for e in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if "[[roles]]" in e)
    file = tmp_path / "my-market.toml"
    file.write_text(example, "utf-8")

    assert load_market(file).product("day-ahead-energy").max_segments == 10


def test_the_tables_name_every_market_scheme_and_format():
    for name in market_ids():
        market = load_market(name)
        assert f"`{name}`" in TEXT
        assert f"| `{market.settlement.scheme}`" in TEXT
    for one in Format:
        assert f"| `{one.value}` |" in TEXT
    for kind in Mischief:
        assert f"`{kind.value}`" in TEXT
    assert ",".join(COLUMNS) in TEXT


def test_the_values_shown_are_those_of_shandong():
    shown = next(e for e in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if "2021" in e)
    file = tomllib.loads((PROFILES / "cn-shandong.toml").read_text("utf-8"))

    assert tomllib.loads(shown)["price_cap"] == file["products"][0]["price_cap"]


def test_the_exchange_of_the_docs_starts_where_it_is_told(tmp_path: Path):
    line = next(x for x in TEXT.splitlines() if x.startswith("./stationmaster simulate-exchange"))
    words = shlex.split(line.replace("my-exchange", str(tmp_path / "my-exchange")))[1:]

    process = subprocess.Popen(
        [sys.executable, "-m", "launcher", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    announced = json.loads(first_line(process))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 0, errors
    assert json.loads((tmp_path / "my-exchange/ports.json").read_text()) == announced["ports"]
    assert (tmp_path / "my-exchange/token").is_file()
