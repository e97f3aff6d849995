"""Models of remaining and early life, on a few real cells and on made ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cell_lab.cell_sets import read_sets
from cell_lab.charge_ends import read_lives
from cell_lab.early_life import (
    CYCLES,
    VOLTAGES,
    EarlyCells,
    load_early_life,
    predict_early_life,
    read_early_cells,
    train_early_life,
)
from cell_lab.errors import EarlyLifeError, TrainingError
from cell_lab.evaluate_life import EARLY, as_json, evaluate_life
from cell_lab.life_rows import end_of
from cell_lab.soh_card import read_card
from cell_lab.train_life import MEAN_LIFE, MOST_DIFFERENCE, RIDGE, train_life
from launcher.life import run_evaluate_life, run_train_life
from station.estimators.errors import LifeModelError
from station.estimators.life import load_life_model, predict_life
from station.estimators.soh_features import CHARGE_END, ChargeHistory

MODELS = Path(__file__).resolve().parents[2] / "data" / "models" / "life"
LIVES = Path(__file__).parent / "data" / "lives.parquet"
SETS = """[made]
source = "made"
licence = "none"
end_soh = 0.8
[made.makes.B]
cell = "a cell"
chemistry = "LFP"
nominal_ah = 1.0
"""


@pytest.fixture(scope="module")
def made_folder(tmp_path_factory) -> Path:
    """Twelve cells whose charges tell their SOH, and that age at different paces."""
    folder = tmp_path_factory.mktemp("made")
    chance = np.random.default_rng(1)
    columns: dict[str, list] = {
        name: [] for name in ("cell", "cycle_index", "capacity", *CHARGE_END)
    }
    for cell in range(12):
        pace = 0.001 * (1 + 0.05 * cell)
        cycle = np.arange(240)
        soh = 1 - pace * cycle
        columns["cell"] += [f"c{cell}"] * len(cycle)
        columns["cycle_index"] += cycle.tolist()
        columns["capacity"] += soh.tolist()
        for number, name in enumerate(CHARGE_END):
            told = soh * (1 + number) + 0.001 * chance.normal(size=len(cycle)) + pace * number
            columns[name] += told.tolist()
    table = pa.table(columns)
    pq.write_table(
        table.append_column("batch", pa.array(["B"] * len(table))), folder / "made.parquet"
    )
    (folder / "sets.toml").write_text(SETS)
    return folder


def _early(cells: int, seed: int = 1) -> EarlyCells:
    """Discharges that change the more from cycle to cycle, the sooner the cell ends."""
    chance = np.random.default_rng(seed)
    life = np.exp(chance.uniform(np.log(300), np.log(2000), cells))
    volts = np.linspace(3.6, 2.0, VOLTAGES)
    full = 1.1 / (1 + np.exp((volts - 3.1) / 0.05))
    bump = np.exp(-(((volts - 3.0) / 0.15) ** 2))
    cycle = np.arange(CYCLES)[None, :, None]
    noise = 1e-5 * chance.normal(size=(cells, CYCLES, VOLTAGES))
    loss = bump * cycle / life[:, None, None] ** 1.2
    return EarlyCells(full - loss + noise, life)


def test_remaining_life_is_judged_beside_the_simple_ways():
    found = as_json(evaluate_life(LIVES, MODELS))

    assert {str(row["set"]) for row in found["rows"]} <= {"mit", "hust", "xjtu", "tju"}
    for row in found["rows"]:
        assert row["task"] == "remaining cycles"
        assert 0 < row["rmse_cycles"] < 400
        assert 0 < row["coverage_pct"] <= 100
        others = {
            str(line["estimator"]) for line in found["baselines"] if line["set"] == row["set"]
        }
        assert others == {MEAN_LIFE, RIDGE}


def test_later_cycles_change_nothing_that_was_told_before_them():
    life = read_lives(LIVES)[0]
    name = next(
        path.stem
        for path in sorted(MODELS.glob("*.onnx"))
        if life.batch in load_life_model(path.with_suffix(".json")).card.makes
    )
    model = load_life_model(MODELS / f"{name}.json")
    past = ChargeHistory(life.history.cycle[:50], life.history.charge_end[:50])

    then, at_the_end = predict_life(model, past), predict_life(model, life.history)

    np.testing.assert_allclose(then.remaining, at_the_end.remaining[:50], rtol=1e-4)
    assert (then.low <= then.remaining).all()
    assert (then.remaining <= then.high).all()
    assert (then.low >= 0).all()


def test_a_life_ends_where_its_capacity_stays_low_and_not_at_one_odd_cycle(made_folder):
    life = read_lives(made_folder / "made.parquet")[0]
    life.capacity_ah[60] = 0.5

    assert end_of(life, 0.8) == pytest.approx(202, abs=2)
    assert end_of(life, 0.5) is None


def test_a_set_is_trained_judged_and_told_of(made_folder, tmp_path, capsys):
    out = tmp_path / "models"

    assert run_train_life(made_folder, out, seed=1) == 0
    assert run_evaluate_life(made_folder / "made.parquet", out, tmp_path / "rows.json") == 0

    told = json.loads((tmp_path / "rows.json").read_text())
    (row,) = told["rows"]
    assert row["set"] == "made"
    assert row["rmse_cycles"] < 12
    assert read_card(out).keys() == {"made"}
    assert "made" in capsys.readouterr().out


def test_the_same_data_and_seed_give_the_same_model(made_folder, tmp_path):
    sets = read_sets(made_folder / "sets.toml")

    files = []
    for name in ("one", "two"):
        out = tmp_path / name
        out.mkdir()
        path = made_folder / "made.parquet"
        found = train_life("made", sets["made"], path, out, seed=3, progress=lambda _: None)
        assert found.difference <= MOST_DIFFERENCE
        files.append((out / "made.onnx").read_bytes())

    assert files[0] == files[1]


def test_lives_that_never_end_are_refused(made_folder, tmp_path):
    cells = read_sets(made_folder / "sets.toml")["made"].model_copy(update={"end_soh": 0.1})

    with pytest.raises(TrainingError, match="no cell came down"):
        train_life(
            "made", cells, made_folder / "made.parquet", tmp_path, seed=1, progress=lambda _: None
        )


def test_early_cycles_tell_how_long_cells_will_live():
    seen, unseen = _early(30), _early(30, seed=2)

    model, left_out = train_early_life(seen, Path("made.npz"))
    told = predict_early_life(model, unseen.charge_ah)

    assert left_out.mape_pct < 5
    assert np.abs(told.life / unseen.life_cycles - 1).mean() < 0.05
    inside = (told.low <= unseen.life_cycles) & (unseen.life_cycles <= told.high)
    assert inside.mean() > 0.75


def test_the_early_model_that_is_shipped_reads_a_file(tmp_path):
    cells = _early(5)
    np.savez(tmp_path / "cells.npz", qd_ah=cells.charge_ah, cycle_life=cells.life_cycles)

    (row,) = evaluate_life(tmp_path / "cells.npz", MODELS)

    assert row.task == "early life"
    assert row.score.cells == 5
    assert {found["estimator"] for found in row.published} == {
        "CNN-LSTM-Transformer, published",
        "linear models, published",
    }
    assert read_early_cells(tmp_path / "cells.npz").charge_ah.shape == (5, CYCLES, VOLTAGES)


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_wrong_early_model_is_refused_with_the_remedy(tmp_path, text: str):
    (tmp_path / EARLY).write_text(text)

    with pytest.raises(EarlyLifeError, match="train life"):
        load_early_life(tmp_path / EARLY)


def test_a_wrong_file_of_early_cycles_is_refused(tmp_path):
    np.savez(tmp_path / "cells.npz", qd_ah=np.zeros((3, 5, 200)), cycle_life=np.ones(3))

    with pytest.raises(EarlyLifeError, match=r"\(3, 5, 200\)"):
        read_early_cells(tmp_path / "cells.npz")


def test_a_model_that_takes_other_numbers_is_refused(tmp_path):
    name = next(MODELS.glob("*.onnx")).stem
    shutil.copy(MODELS / f"{name}.json", tmp_path / f"{name}.json")
    (tmp_path / f"{name}.onnx").write_bytes(b"no model")

    with pytest.raises(LifeModelError, match="train life"):
        load_life_model(tmp_path / f"{name}.json")
