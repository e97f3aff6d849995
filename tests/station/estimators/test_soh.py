"""SOH from the ends of charges, by the models that are shipped."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from station.estimators import ChargeHistory, SohModelError, estimate_soh, load_soh_model
from station.estimators.soh import Zone, interval
from station.estimators.soh_features import CHARGE_END, causal_inputs, hold_missing

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "data" / "models" / "soh"
LIVES = ROOT / "tests" / "cell_lab" / "data" / "lives.parquet"


def history_of(cell: str) -> tuple[ChargeHistory, np.ndarray]:
    table = pq.read_table(LIVES).to_pandas()
    life = table[table["cell"] == cell]
    charge_end = life[list(CHARGE_END)].to_numpy(np.float64)
    return ChargeHistory(life["cycle_index"].to_numpy(np.float64), charge_end), life[
        "capacity"
    ].to_numpy(np.float64)


def test_a_cell_is_told_its_soh_within_a_percent_over_its_life():
    history, capacity_ah = history_of("2018-04-12_battery-26")
    model = load_soh_model(MODELS / "mit.json")

    estimate = estimate_soh(model, history)

    truth = capacity_ah / model.card.makes["2018-04-12"].nominal_ah
    assert np.abs(estimate.soh - truth).mean() < 0.01
    assert (estimate.low < estimate.soh).all()
    assert (estimate.soh < estimate.high).all()


@pytest.mark.parametrize("cycles", [1, 3, 5, 30])
def test_later_cycles_change_nothing_that_was_told_before_them(cycles):
    history, _ = history_of("2018-04-12_battery-9")
    model = load_soh_model(MODELS / "mit.json")
    past = ChargeHistory(history.cycle[:cycles], history.charge_end[:cycles])

    told_then = estimate_soh(model, past).soh
    told_at_the_end = estimate_soh(model, history).soh[:cycles]

    np.testing.assert_allclose(told_then, told_at_the_end, atol=1e-6)


def test_a_missing_number_is_held_from_the_cycle_before():
    charge_end = np.arange(48.0).reshape(3, 16)
    charge_end[0, 2] = np.nan
    charge_end[1, 5] = np.inf
    stand_in = np.full(16, -1.0)

    held = hold_missing(charge_end, stand_in)

    assert held[0, 2] == -1.0
    assert held[1, 5] == charge_end[0, 5]
    assert held[2, 2] == charge_end[2, 2]


def test_a_lost_number_moves_an_estimate_little():
    history, _ = history_of("2018-04-12_battery-26")
    model = load_soh_model(MODELS / "mit.json")
    holed = history.charge_end.copy()
    holed[60, CHARGE_END.index("CC_Q")] = np.nan

    whole = estimate_soh(model, history).soh
    with_hole = estimate_soh(model, replace(history, charge_end=holed)).soh

    assert np.isfinite(with_hole).all()
    assert np.abs(with_hole - whole).max() < 0.005


def test_the_first_cycle_has_moved_nowhere():
    history, _ = history_of("CY25-1_1-#8")

    inputs = causal_inputs(history, np.zeros(16))

    moved = inputs[0, 4 * 16 : 6 * 16]
    np.testing.assert_array_equal(moved, 0)


def test_an_interval_is_that_of_the_zone_the_estimate_lies_in():
    zones = (
        Zone(below=0.9, low=-0.03, high=0.02),
        Zone(below=1.0, low=-0.01, high=0.01),
    )

    low, high = interval(zones, np.array([0.8, 0.9, 1.2]))

    np.testing.assert_allclose(low, [0.77, 0.89, 1.19])
    np.testing.assert_allclose(high, [0.82, 0.91, 1.21])


def test_a_model_that_is_no_onnx_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "mit.json").write_bytes((MODELS / "mit.json").read_bytes())
    (tmp_path / "mit.onnx").write_bytes(b"not a model")

    with pytest.raises(SohModelError, match=r"mit\.onnx: .*train soh"):
        load_soh_model(tmp_path / "mit.json")


def test_a_card_without_zones_is_refused_with_the_key(tmp_path):
    text = (MODELS / "mit.json").read_text().replace('"zones"', '"zone"')
    (tmp_path / "mit.json").write_text(text)

    with pytest.raises(SohModelError, match="zones"):
        load_soh_model(tmp_path / "mit.json")


def test_the_estimators_need_nothing_that_trains():
    code = (
        "import sys, station.estimators as e, pathlib;"
        f"e.load_soh_model(pathlib.Path({str(MODELS / 'mit.json')!r}));"
        "print(sorted({'sklearn', 'torch', 'onnx', 'scipy'} & set(sys.modules)))"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert said.strip() == "[]"
