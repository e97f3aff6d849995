import json
import re
from pathlib import Path

import pytest

from launcher.errors import WrongInput
from launcher.main import app
from launcher.paths import ROOT

GUIDE = ROOT / "docs" / "market-bidding.md"


@pytest.fixture
def battery(tmp_path: Path) -> Path:
    """The battery that the guide prints."""
    printed = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    [text] = [each for each in printed if "energy_mwh" in each]
    file = tmp_path / "battery.toml"
    file.write_text(text, "utf-8")
    return file


def asked(battery: Path, out: Path, **changed: str) -> list[str]:
    """The guide's command, with files of this test."""
    [line] = re.findall(
        r"^\./stationmaster (market backtest .*)$", GUIDE.read_text("utf-8"), re.MULTILINE
    )
    words = line.split()
    given = {
        "--prices": str(ROOT / "data" / "market" / "epf_de.parquet"),
        "--battery": str(battery),
        "--json": str(out),
    } | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    for option, value in given.items():
        words[words.index(option) + 1] = value
    return words


def test_batteries_that_move_the_price_come_to_rest_or_say_that_they_do_not(
    battery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    [line] = re.findall(
        r"^\./stationmaster (market competitors .*)$", GUIDE.read_text("utf-8"), re.MULTILINE
    )
    out = tmp_path / "out.json"
    files = {
        "data/market/epf_de.parquet": str(ROOT / "data" / "market" / "epf_de.parquet"),
        "battery.toml": str(battery),
        "competitors.json": str(out),
    }

    code = run([files.get(word, word) for word in line.split()])

    told, found = capsys.readouterr().out, json.loads(out.read_text())
    assert code == 0
    assert ("came to rest" if found["converged"] else "did not come to rest") in told
    assert len(found["earned"]) == 2
    spread = [max(one) - min(one) for one in (found["price_before"], found["price_after"])]
    assert spread[1] < spread[0]


def test_a_day_without_prices_is_a_mistake_that_is_told(battery: Path, tmp_path: Path):
    prices = str(ROOT / "data" / "market" / "epf_de.parquet")
    words = ["market", "competitors", "--prices", prices, "--naive-utc", "--columns", "rt=price"]
    more = ["--battery", str(battery), "--market", "europe", "--day", "1999-01-01", "--fall", "1"]

    with pytest.raises(WrongInput, match="choose another --day"):
        app([*words, *more, "--json", str(tmp_path / "o.json")], standalone_mode=False)


def run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        app(words, prog_name="./stationmaster")
    return int(ended.value.code or 0)


def test_the_guides_command_prints_a_row_for_each_strategy_and_writes_it(
    battery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "backtest.json"

    assert run(asked(battery, out)) == 0

    rows = {row["strategy"]: row for row in json.loads(out.read_text("utf-8"))["rows"]}
    told = capsys.readouterr().out
    assert list(rows) == ["perfect", "threshold", "valley-peak", "lp-7-day", "markov-sdp"]
    assert all(name in told for name in rows)
    assert rows["markov-sdp"]["share_of_perfect"] > rows["threshold"]["share_of_perfect"]
    assert {"revenue", "share_ex3", "ci90", "cvar95", "worst_day", "cycles", "seconds"} <= set(
        rows["perfect"]
    )


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("from", "tomorrow", "--from 'tomorrow': no date"),
        ("columns", "rt=spp", "no column 'spp'"),
        ("market", "atlantis", "atlantis"),
        ("strategies", "magic", "'magic' is not known"),
        ("prices", "nope.parquet", "nope.parquet: does not exist; name a file"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(
    battery: Path, tmp_path: Path, option: str, value: str, words: str
):
    with pytest.raises(WrongInput, match=words):
        app(asked(battery, tmp_path / "o.json", **{option: value}), standalone_mode=False)


def test_several_mistakes_are_told_together(battery: Path, tmp_path: Path):
    words = asked(battery, tmp_path / "o.json", strategies="mpc,magic", to="2016-12-31")

    with pytest.raises(WrongInput) as told:
        app(words, standalone_mode=False)

    dates, names = str(told.value).splitlines()
    assert "dates: trained until 2016-12-31" in dates
    assert "'magic' is not known" in names
