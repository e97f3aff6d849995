import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from cloud.market.forecasts import members
from launcher.errors import WrongInput
from launcher.main import app
from launcher.market_forecast import Wishes, run_forecast_eval
from launcher.paths import DATA, ROOT

SAMPLE = DATA / "market" / "epf_de.parquet"
COLUMNS = "price=price,forecast=load_forecast_mw,forecast=renewables_forecast_mw"


def wishes(**changed: object) -> Wishes:
    given = {
        "prices": SAMPLE,
        "columns": COLUMNS,
        "zone": "UTC",
        "train_until": "2017-03-31",
        "first": "2017-04-01",
        "last": "2017-04-28",
        "members": "naive.day,naive.week,lear.56",
        "allow_short": False,
        "teaching_days": 84,
    }
    return Wishes(**{**given, **changed})


def test_lear_beats_the_naive_ones_and_the_mixture_is_not_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    reference = tmp_path / "published.parquet"
    table = pq.read_table(SAMPLE)
    price = table["price"].to_numpy()
    shown = {"time": table["time"], "LEAR Ensemble": price + 1, "DNN Ensemble": price - 3}
    pq.write_table(pa.table(shown), reference)

    run_forecast_eval(wishes(), tmp_path / "out.json", reference)

    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    rows = {row["member"]: row for row in report["rows"]}
    assert report["days"] == 28
    assert rows["lear.56"]["mae"] < rows["naive.week"]["mae"]
    assert rows["naive.week"]["rmae"] == pytest.approx(1)
    assert rows["ensemble"]["mae"] < 1.05 * min(row["mae"] for row in rows.values())
    assert 0.5 < rows["ensemble"]["capture"] <= 1
    assert 0.8 < rows["ensemble"]["coverage"]["0.95"] <= 1
    assert sum(report["weights"].values()) == pytest.approx(1)
    published = {row["member"]: row["mae"] for row in report["published"]}
    assert published == pytest.approx(
        {"LEAR Ensemble": 1, "DNN Ensemble": 3, "LEAR/DNN mean": 1}, abs=1e-4
    )
    said, told = capsys.readouterr()
    assert "epf_de.parquet: times without a zone, taken as UTC" in said
    assert "lear.56: 100 % 112 of 112 days" in told
    assert "LEAR/DNN mean (published)" in said
    assert not list(tmp_path.glob("*.progress*"))


class _DiesOnce:
    name = "naive.week"

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.dies_at: int | None = None

    def forecast(self, table: object, row: int) -> np.ndarray:
        if row == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append(row)
        return table.price[row - 7]


def test_an_interrupted_run_goes_on_where_it_stopped_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    member = _DiesOnce()
    monkeypatch.setattr(members, "quick_members", lambda: (member,))
    whole, resumed = tmp_path / "whole.json", tmp_path / "resumed.json"
    run_forecast_eval(wishes(members="quick"), whole, None)
    first, last = member.asked[0], member.asked[-1]
    member.asked.clear()
    member.dies_at = last
    with pytest.raises(KeyboardInterrupt):
        run_forecast_eval(wishes(members="quick"), resumed, None)
    member.asked.clear()
    member.dies_at = None

    run_forecast_eval(wishes(members="quick"), resumed, None)

    assert member.asked[0] == first + 56  # one chunk of 56 days was kept
    one, two = (json.loads(file.read_text("utf-8")) for file in (whole, resumed))
    for report in (one, two):
        for row in report["rows"]:
            row.pop("seconds")
    assert one == two


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train_until": "2015-06-30", "first": "2015-07-01"}, "at least 1095 are needed"),
        ({"train_until": "2017-04-01"}, "must lie before --from"),
        ({"last": "2018-04-01"}, "whole days from 2014-01-01 to 2017-12-31"),
        ({"first": "April"}, "--from April: not a day"),
        ({"columns": "price=cost"}, "there is no column 'cost'"),
        ({"members": "lear.56,oracle"}, "'oracle' is none of all, quick, naive.day"),
        ({"prices": Path("nowhere.parquet")}, "nowhere.parquet: does not exist; name a file"),
    ],
)
def test_wrong_input_is_said_before_the_work(tmp_path: Path, changed: dict[str, object], said: str):
    with pytest.raises(WrongInput, match=said):
        run_forecast_eval(wishes(**changed), tmp_path / "out.json", None)

    assert not list(tmp_path.iterdir())


def test_a_zone_that_is_none_is_told_in_a_line(tmp_path: Path):
    with pytest.raises(WrongInput, match="--zone Mars/City: is not in the IANA list"):
        run_forecast_eval(wishes(zone="Mars/City"), tmp_path / "out.json", None)


def test_several_mistakes_are_told_together(tmp_path: Path):
    wrong = wishes(first="2017-05-02", last="2017-05-01", members="lear.65,quick,oracle")

    with pytest.raises(WrongInput) as told:
        run_forecast_eval(wrong, tmp_path / "out.json", None)

    dates, members = str(told.value).splitlines()
    assert "--from not after --to" in dates
    assert "'lear.65', 'quick', 'oracle'" in members


def test_short_history_is_flagged_where_it_is_allowed(tmp_path: Path):
    short = wishes(
        train_until="2014-12-31",
        first="2015-01-01",
        last="2015-01-14",
        members="naive.day,naive.week",
        allow_short=True,
    )

    run_forecast_eval(short, tmp_path / "out.json", None)

    report = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert "short history: 365 of 1,095 days" in report["flags"]


def test_the_command_of_the_docs_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page = (ROOT / "docs" / "market-forecasts.md").read_text("utf-8")
    [command] = re.findall(r"^\./stationmaster (market forecast-eval .*)$", page, re.MULTILINE)[:1]
    words = command.replace("forecast.json", str(tmp_path / "forecast.json"))
    words = words.replace(" data/", f" {ROOT}/data/").replace("2017-11-28", "2017-11-03")
    words = words.replace("lear.84,kernel.rough", "lear.84")

    with pytest.raises(SystemExit) as ended:
        app(words.split(), standalone_mode=True)

    assert ended.value.code == 0
    assert json.loads((tmp_path / "forecast.json").read_text("utf-8"))["days"] == 3
    assert "ensemble" in capsys.readouterr().out
