"""Training and evaluation of SOH models, on a few real cells."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cell_lab import train_soh as trainer
from cell_lab.cell_sets import read_sets
from cell_lab.charge_ends import read_lives
from cell_lab.errors import CellSetsError, ChargeEndsError, TrainingError, UnknownBatchError
from cell_lab.evaluate_soh import as_json, evaluate_soh
from cell_lab.soh_baselines import read_baselines, write_baselines
from cell_lab.soh_card import read_card
from cell_lab.soh_fit import fit_soh
from cell_lab.soh_onnx import to_onnx
from cell_lab.soh_scores import calibrate, inside, score
from cell_lab.train_soh import MOST_DIFFERENCE, file_of, gather, train_set
from launcher.errors import WrongInput
from launcher.soh import run_evaluate_soh, run_train_soh
from station.estimators.soh import NOMINAL_COVERAGE

DATA = Path(__file__).resolve().parents[2] / "data"
MODELS = DATA / "models" / "soh"
EXTRACTS = Path(__file__).parent / "data"
LIVES = EXTRACTS / "lives.parquet"
TEN_CELLS = EXTRACTS / "xjtu_ten_cells.parquet"


def test_cells_of_every_set_are_judged_beside_the_baselines():
    found = as_json(evaluate_soh(LIVES, MODELS))

    rows = {str(row["set"]): row for row in found["rows"]}
    assert set(rows) == {"mit", "hust", "xjtu", "tju"}
    for row in rows.values():
        assert row["mape_pct"] < 2.5
        assert row["coverage_pct"] >= 100 * NOMINAL_COVERAGE
    for name in ("training mean", "ridge regression"):
        others = {line["set"]: line for line in found["baselines"] if line["estimator"] == name}
        assert others.keys() == rows.keys()
    mean = next(line for line in found["baselines"] if line["set"] == "mit")
    assert rows["mit"]["mape_pct"] < mean["mape_pct"]


def test_missing_values_are_told_and_their_cycles_are_judged():
    rows = {row.name: row for row in evaluate_soh(LIVES, MODELS)}

    cycles = len(pq.read_table(LIVES, filters=[("cell", "==", "2C_battery-3")]))
    assert rows["xjtu"].held == 22
    assert rows["xjtu"].score.rows == cycles


def test_a_cycle_without_capacity_is_told_and_not_judged(tmp_path):
    table = pq.read_table(LIVES, filters=[("cell", "==", "2018-04-12_battery-26")])
    capacity = table["capacity"].to_numpy().copy()
    capacity[[3, 9]] = np.nan, 0.0
    place = table.column_names.index("capacity")
    pq.write_table(
        table.set_column(place, "capacity", pa.array(capacity)), tmp_path / "mit.parquet"
    )

    (row,) = evaluate_soh(tmp_path / "mit.parquet", MODELS)

    assert row.unmeasured == 2
    assert row.score.rows == len(table) - 2


def test_capacity_is_no_input_of_the_estimate(tmp_path):
    table = pq.read_table(LIVES, filters=[("cell", "==", "2018-04-12_battery-26")])
    place = table.column_names.index("capacity")
    lower = pa.array(0.9 * table["capacity"].to_numpy())
    pq.write_table(table.set_column(place, "capacity", lower), tmp_path / "lower.parquet")
    pq.write_table(table, tmp_path / "same.parquet")

    (low,) = evaluate_soh(tmp_path / "lower.parquet", MODELS)
    (same,) = evaluate_soh(tmp_path / "same.parquet", MODELS)

    assert same.score.mape_pct < 1
    assert low.score.mape_pct == pytest.approx(100 / 9, abs=1.5)


def test_a_file_is_known_by_its_name_when_its_batch_is_not(tmp_path):
    table = pq.read_table(LIVES, filters=[("batch", "==", "2018-04-12")])
    batch = pa.array(["2020-01-01"] * len(table))
    pq.write_table(table.set_column(0, "batch", batch), tmp_path / "mit_heldout.parquet")
    pq.write_table(table.set_column(0, "batch", batch), tmp_path / "other.parquet")

    (row,) = evaluate_soh(tmp_path / "mit_heldout.parquet", MODELS)

    assert row.name == "mit"
    with pytest.raises(UnknownBatchError, match="2020-01-01"):
        evaluate_soh(tmp_path / "other.parquet", MODELS)


def test_a_file_without_a_column_is_refused_with_the_columns_name(tmp_path):
    pq.write_table(pq.read_table(LIVES).drop_columns(["CV_Q"]), tmp_path / "short.parquet")

    with pytest.raises(ChargeEndsError, match="CV_Q"):
        read_lives(tmp_path / "short.parquet")


def test_a_cycle_that_stands_twice_is_refused_with_its_cell(tmp_path):
    table = pq.read_table(LIVES, filters=[("cell", "==", "1-6")])
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), tmp_path / "twice.parquet")

    with pytest.raises(ChargeEndsError, match="1-6"):
        read_lives(tmp_path / "twice.parquet")


def test_rows_in_any_order_are_read_as_the_same_lives(tmp_path):
    table = pq.read_table(LIVES)
    order = np.random.default_rng(1).permutation(len(table))
    pq.write_table(table.take(order), tmp_path / "mixed.parquet")

    straight = {(life.batch, life.cell): life for life in read_lives(LIVES)}
    mixed = {(life.batch, life.cell): life for life in read_lives(tmp_path / "mixed.parquet")}

    assert mixed.keys() == straight.keys()
    for name, life in straight.items():
        np.testing.assert_array_equal(mixed[name].capacity_ah, life.capacity_ah)


def test_a_wrong_file_of_sets_is_refused_with_the_key(tmp_path):
    text = (MODELS / "sets.toml").read_text().replace("nominal_ah = 2.0", "nominal_ah = -2.0")
    (tmp_path / "sets.toml").write_text(text)

    with pytest.raises(CellSetsError, match=r"xjtu.*nominal_ah"):
        read_sets(tmp_path / "sets.toml")


def test_intervals_hold_nine_times_in_ten_on_other_errors_of_the_same_kind():
    random = np.random.default_rng(5)
    soh = random.uniform(0.8, 1.0, 8000)
    spread = np.where(soh < 0.9, 0.03, 0.003)
    told = soh + spread * random.standard_normal(8000)
    cells = (np.arange(8000) % 40).astype(str)

    zones = calibrate(soh[::2], told[::2], cells[::2])
    held = inside(zones, soh[1::2], told[1::2])

    assert 0.88 < held.mean() < 0.92
    assert 0.85 < held[told[1::2] < 0.85].mean() < 0.95


def test_a_score_counts_cells_and_errors_in_percent():
    found = score(np.array([1.0, 0.8]), np.array([1.01, 0.8]), np.array(["a", "b"]))

    assert (found.rows, found.cells) == (2, 2)
    assert found.mape_pct == pytest.approx(0.5)
    assert found.rmse_pct == pytest.approx(100 * np.sqrt(0.0001 / 2))


def test_training_writes_models_that_can_be_tried_at_once(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "xjtu_dev.parquet").write_bytes(TEN_CELLS.read_bytes())

    run_train_soh(data, out, seed=3)
    run_evaluate_soh(TEN_CELLS, out, tmp_path / "rows.json")

    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["set"] == "xjtu"
    assert row["mape_pct"] < 1.5
    card = (out / "model-card.md").read_text()
    assert "CC BY 4.0" in card
    assert "| xjtu | 10 | 1200 |" in card


def test_the_same_seed_trains_the_same_model():
    cells = read_sets(MODELS / "sets.toml")["xjtu"]
    rows = gather(read_lives(TEN_CELLS), cells, np.zeros(16), TEN_CELLS)

    one, two = (
        to_onnx(fit_soh(rows.inputs, rows.soh, seed=3, progress=lambda _: None)) for _ in "12"
    )

    assert one == two


def test_an_exported_model_tells_what_was_fitted():
    cells = read_sets(MODELS / "sets.toml")["xjtu"]
    rows = gather(read_lives(TEN_CELLS), cells, np.zeros(16), TEN_CELLS)
    fit = fit_soh(rows.inputs, rows.soh, seed=4, progress=lambda _: None)
    session = ort.InferenceSession(to_onnx(fit))
    far = np.vstack([rows.inputs, 3 * rows.inputs, -rows.inputs])

    (told,) = session.run(None, {"inputs": far})

    assert np.abs(told.ravel() - fit.predict(far)).max() <= MOST_DIFFERENCE


def test_a_model_that_differs_once_exported_leaves_the_older_one_as_it_was(tmp_path, monkeypatch):
    for name in ("xjtu.json", "xjtu.onnx"):
        (tmp_path / name).write_bytes((MODELS / name).read_bytes())
    cells = read_sets(MODELS / "sets.toml")["xjtu"]
    other = (MODELS / "mit.onnx").read_bytes()
    monkeypatch.setattr(trainer, "to_onnx", lambda _: other)

    with pytest.raises(TrainingError, match=r"xjtu\.onnx: not written, for it would differ"):
        train_set("xjtu", cells, TEN_CELLS, tmp_path, seed=1, progress=lambda _: None)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["xjtu.json", "xjtu.onnx"]
    for name in ("xjtu.json", "xjtu.onnx"):
        assert (tmp_path / name).read_bytes() == (MODELS / name).read_bytes()


def test_too_few_cells_are_not_trained_on(tmp_path):
    cells = read_sets(MODELS / "sets.toml")["xjtu"]
    table = pq.read_table(TEN_CELLS, filters=[("cell", "in", ["RW_battery-7", "RW_battery-1"])])
    pq.write_table(table, tmp_path / "xjtu.parquet")

    with pytest.raises(TrainingError, match="2 cells; 10 are needed"):
        train_set(
            "xjtu", cells, tmp_path / "xjtu.parquet", tmp_path, seed=1, progress=lambda _: None
        )


def test_only_the_two_names_of_a_set_are_its_file(tmp_path):
    for name in ("tju2.parquet", "tju_heldout.parquet", "tju_dev.parquet.parquet"):
        (tmp_path / name).touch()
    assert file_of(tmp_path, "tju") is None

    (tmp_path / "tju_dev.parquet").touch()
    assert file_of(tmp_path, "tju") == tmp_path / "tju_dev.parquet"

    (tmp_path / "tju.parquet").touch()
    with pytest.raises(TrainingError, match="leave one of them"):
        file_of(tmp_path, "tju")


def test_training_one_set_keeps_what_the_folder_holds_of_the_others(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "xjtu.parquet").write_bytes(TEN_CELLS.read_bytes())
    shutil.copytree(MODELS, out)

    run_train_soh(data, out, seed=3)

    before, after = read_baselines(MODELS), read_baselines(out)
    assert after.pop("xjtu") != before.pop("xjtu")
    assert after == before
    rows = {row.name for row in evaluate_soh(LIVES, out)}
    assert rows == {"mit", "hust", "xjtu", "tju"}
    parts, older = read_card(out), read_card(MODELS)
    assert list(parts) == list(older) == ["mit", "hust", "xjtu", "tju"]
    assert parts["xjtu"].line.startswith("| xjtu | 10 | 1200 |")
    for name in ("mit", "hust", "tju"):
        assert parts[name].line == older[name].line
        assert parts[name].section.strip() == older[name].section.strip()


def test_a_folder_with_models_of_sets_that_are_not_listed_is_not_trained_into(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "xjtu.parquet").write_bytes(TEN_CELLS.read_bytes())
    text = (MODELS / "sets.toml").read_text()
    (data / "sets.toml").write_text(re.sub(r"(?ms)^\[mit\].*?(?=^\[hust\])", "", text))
    shutil.copytree(MODELS, out)

    with pytest.raises(WrongInput, match="holds models of mit, which"):
        run_train_soh(data, out, seed=3)

    assert (out / "sets.toml").read_text() == text


def test_missing_baselines_are_told_with_their_set(tmp_path):
    shutil.copytree(MODELS, tmp_path, dirs_exist_ok=True)
    kept = read_baselines(MODELS)
    del kept["hust"]
    write_baselines(kept, tmp_path)

    with pytest.raises(WrongInput, match=r"no baselines of the set hust; train it again"):
        run_evaluate_soh(LIVES, tmp_path, None)


def test_a_missing_output_folder_is_told_before_the_work(tmp_path):
    missing = tmp_path / "none" / "here"

    with pytest.raises(WrongInput, match=r"there is no folder .*none; make it first"):
        run_evaluate_soh(tmp_path / "no.parquet", MODELS, missing)
    with pytest.raises(WrongInput, match=r"there is no folder .*none; make it first"):
        run_train_soh(tmp_path / "no data", missing, seed=1)


def test_a_folder_without_data_is_refused_with_the_names_it_may_have(tmp_path):
    with pytest.raises(WrongInput, match=r"SET_dev\.parquet"):
        run_train_soh(tmp_path, tmp_path / "out", seed=1)
