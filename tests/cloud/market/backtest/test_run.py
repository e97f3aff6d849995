import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cloud.market.backtest import STRATEGIES, run_backtest
from cloud.market.backtest.case import Case
from cloud.market.backtest.run import make_case
from cloud.market.backtest.unaided import _told
from cloud.market.bidding.policy_features import SEEN_STEPS_AGO
from cloud.market.bidding.policy_power import Rival
from cloud.market.errors import BadProfile, BadSeries
from tests.cloud.market.backtest.conftest import write

LAST = dt.date(2024, 4, 4)
QUICK = [name for name in STRATEGIES if "lightgbm" not in name and "prophet" not in name]


def test_every_strategy_gives_a_row_and_none_earns_more_than_perfect_foresight(
    asked_hourly, tmp_path
):
    out = tmp_path / "out.json"
    seen = []

    wish = replace(asked_hourly, strategies=",".join(QUICK))

    rows = run_backtest(wish, out, lambda name, done, of: seen.append((name, done, of)))

    by_name = {row.strategy: row for row in rows}
    assert list(by_name) == QUICK
    assert by_name["perfect"].share_of_perfect == 100.0
    assert all(row.share_of_perfect <= 100.0 for row in rows if "+da" not in row.strategy)
    assert all(row.infeasible_bids == 0 for row in rows)
    assert all(row.ci90[0] <= row.share_of_perfect <= row.ci90[1] for row in rows)
    assert by_name["markov-sdp"].revenue > by_name["threshold"].revenue
    assert by_name["markov-sdp"].revenue > by_name["sdp-independent"].revenue
    assert by_name["ppo"].revenue == by_name["markov-sdp"].revenue
    assert "fall-back" in by_name["ppo"].notes[0]
    assert by_name["markov-sdp+da"].notes
    assert by_name["imitation"].revenue > 0
    assert all("never bids" in by_name[kind].notes[0] for kind in Rival)
    assert seen[-1] == ("", len(QUICK), len(QUICK))
    assert [row["strategy"] for row in json.loads(out.read_text())["rows"]] == QUICK


def test_a_run_that_was_cut_keeps_its_rows_and_another_question_keeps_none(asked, tmp_path):
    out = tmp_path / "out.json"
    run_backtest(replace(asked, strategies="valley-peak"), out)
    kept = json.loads(out.read_text())
    kept["rows"][1]["seconds"] = -1.0
    out.write_text(json.dumps(kept))

    again = run_backtest(replace(asked, strategies="valley-peak,lp-naive"), out)
    other = run_backtest(replace(asked, strategies="valley-peak", shock=0.3), out)

    assert [row.strategy for row in again] == ["perfect", "valley-peak", "lp-naive"]
    assert again[1].seconds == -1.0
    assert other[1].seconds >= 0.0


def test_prices_that_are_others_under_the_same_name_keep_no_row(asked, tmp_path):
    out = tmp_path / "out.json"
    (tmp_path / "copies").mkdir()
    copies = tuple(Path(shutil.copy(one, tmp_path / "copies")) for one in asked.prices)
    file, wish = copies[0], replace(asked, prices=copies, strategies="valley-peak")
    first = run_backtest(wish, out)
    table = pq.read_table(file)
    column = next(i for i, f in enumerate(table.schema) if pa.types.is_floating(f.type))
    dearer = pc.multiply(table.column(column), 2.0)
    pq.write_table(table.set_column(column, table.schema.field(column), dearer), file)

    again = run_backtest(wish, out)

    assert [row.revenue for row in again] != [row.revenue for row in first]


def test_shaken_prices_and_spoilt_inputs_break_no_bid_and_the_fall_back_is_counted(
    asked_hourly, tmp_path
):
    wish = replace(asked_hourly, shock=0.3, spoilt=True, strategies=",".join(QUICK))

    rows = run_backtest(wish, tmp_path / "out.json")

    told = {row.strategy: row.fallbacks for row in rows}
    assert all(row.infeasible_bids == 0 for row in rows)
    assert all(np.isfinite(row.revenue) for row in rows)
    assert told["markov-sdp"] > 0
    assert told["lp-day-ahead"] > 0


def test_no_strategy_but_perfect_foresight_sees_what_comes_later(asked_hourly, tmp_path):
    case = make_case(asked_hourly, tmp_path / "out.json")
    other, middle = _another_future(case)

    for name in set(QUICK) - {"perfect", "ppo", "ppo-ungated", "ppo+da"}:
        # Who decides a power does so before the price of the step before is known.
        late = SEEN_STEPS_AGO if name in set(Rival) else 0
        before = slice(0, middle + late)
        one, two = STRATEGIES[name](case), STRATEGIES[name](other)
        assert np.array_equal(one.power_mw[before], two.power_mw[before]), name


@pytest.mark.parametrize("kind", Rival)
def test_who_decides_a_power_is_told_prices_of_two_steps_ago_and_before(asked_hourly, kind):
    case = make_case(asked_hourly)
    other, middle = _another_future(case)
    steps = np.arange(case.span.stop - case.span.start)
    energy = np.linspace(0, 2, len(steps))

    one, two = (_told(which, kind, 30.0)[0].see(steps, energy) for which in (case, other))

    known = middle + SEEN_STEPS_AGO
    assert np.array_equal(one[:known], two[:known])
    assert (one[known] != two[known]).any()


def _another_future(case: Case) -> tuple[Case, int]:
    """Return the case with other prices from a tested step on, and the step's number."""
    middle = case.prices.first_of(case.first + 12)
    changed = case.prices.price.copy()
    changed[middle:] *= -3.0
    ahead = case.prices.day_ahead.copy()
    # Day-ahead prices of the next day are known since 13:30 of the day before.
    ahead[case.prices.first_of(case.first + 13) :] = 7.0
    prices = replace(case.prices, price=changed, day_ahead=ahead)
    return replace(case, prices=prices, seen=prices), middle - case.span.start


def test_without_a_day_ahead_market_the_past_stands_in(asked, tmp_path):
    wish = replace(asked, columns="rt=spp", strategies="markov-sdp,lp-7-day")

    rows = run_backtest(wish, tmp_path / "out.json")

    assert all(row.share_of_perfect > 0 for row in rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": "rt=nothing"}, "no column 'nothing'"),
        ({"columns": "da=ahead"}, "rt=COLUMN is missing"),
        ({"columns": "spp"}, "is not rt="),
        ({"strategies": "magic"}, "'magic' is not known"),
        ({"train_until": dt.date(2024, 3, 11)}, "training must end before the test"),
        ({"last": dt.date(2024, 6, 1)}, "cut --to"),
        (
            {"first": dt.date(2030, 6, 1), "last": dt.date(2030, 6, 2)},
            "begins on 2030-06-01: give a",
        ),
        ({"first": dt.date(2024, 1, 20), "train_until": dt.date(2024, 1, 19)}, "at least 28 days"),
    ],
)
def test_a_wrong_question_is_refused_with_the_remedy(asked, tmp_path, change, words):
    with pytest.raises(BadSeries, match=words):
        run_backtest(replace(asked, **change), tmp_path / "out.json")


def test_an_unknown_market_is_refused(asked, tmp_path):
    with pytest.raises(BadProfile, match="atlantis"):
        run_backtest(replace(asked, market="atlantis"), tmp_path / "out.json")


def test_files_with_gaps_without_zone_or_without_values_are_refused(asked, tmp_path: Path):
    naive = write(tmp_path / "naive.parquet", 15, tz=None, spp=np.ones(96 * 100))
    empty = write(tmp_path / "empty.parquet", 15, spp=np.append(np.ones(96 * 60), np.nan))

    with pytest.raises(BadSeries, match="name no zone"):
        make_case(replace(asked, prices=(naive,), columns="rt=spp"))
    case = make_case(replace(asked, prices=(naive,), columns="rt=spp", naive_utc=True, last=LAST))
    assert case.prices.price.sum() == 96 * 100
    with pytest.raises(BadSeries, match="1 steps without a price"):
        make_case(replace(asked, prices=(empty,), columns="rt=spp"))


def test_a_gap_in_time_is_refused_with_its_place(asked, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    whole = parquet.read_table(asked.prices[0])
    holed = pa.concat_tables([whole.slice(0, 100), whole.slice(104)])
    file = tmp_path / "holed.parquet"
    parquet.write_table(holed, file)

    with pytest.raises(BadSeries, match=r"1 places with a gap.*2024-01-02T00:45Z"):
        make_case(replace(asked, prices=(file,), columns="rt=spp"))
