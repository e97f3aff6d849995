"""The table of the SOC estimator tells the truth about made and real cells."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cell_lab.disturb import DEFAULT, Disturbance
from cell_lab.evaluate_soc import cases_of, evaluate
from cell_lab.parameter_files import parameters_of
from cell_lab.recordings import read_recordings
from launcher.errors import WrongInput
from launcher.lab import run_evaluate_soc
from station.estimators import build_cell_model
from station.estimators.cell_parameters import Counting
from tests.cell_lab.made import REAL, made_recording


def shortened(recording, seconds):
    rows = recording.time_s - recording.time_s[0] < seconds
    return replace(
        recording,
        **{
            name: getattr(recording, name)[rows]
            for name in ("time_s", "elapsed_s", "voltage_v", "current_a", "temperature_c", "soc")
        },
    )


@pytest.fixture(scope="module")
def model():
    return build_cell_model(parameters_of("esc26650"))


def test_a_real_cell_is_followed_through_every_disturbance(model):
    (drive,) = [r for r in read_recordings(REAL) if not r.slow]
    from_full = [each for each in DEFAULT if not each.start]
    cases = cases_of([shortened(drive, 2400)], from_full)
    shares = []

    scores = evaluate(model, cases, shares.append)

    ours = {score.disturbance: score for score in scores["stationmaster"]}
    assert set(ours) == {disturbance.name for disturbance in from_full}
    assert max(score.rmse_pct for score in ours.values()) < 2.0
    counted = {score.disturbance: score for score in scores["coulomb counting"]}
    assert counted["soc"].rmse_pct > 15
    assert counted["soc"].converge_s is None
    assert ours["soc"].converge_s < 600
    assert shares[-1] == 1.0


def test_open_circuit_tests_are_not_evaluated():
    slow = [recording for recording in read_recordings(REAL) if recording.slow]

    assert cases_of(slow, DEFAULT) == []


def test_what_a_disturbance_leaves_too_short_is_left_out(model):
    recording = made_recording(model, 3600, 0.9, 0.3)
    late = Disturbance("late", start=float(recording.soc[-300]))

    assert cases_of([recording], [late]) == []


def test_counting_charge_with_a_true_start_is_exact_and_has_no_interval(model):
    model = replace(model, counting=Counting())
    cases = cases_of([made_recording(model, 1800, 0.9, 0.4)], [Disturbance("none")])

    (counted,) = evaluate(model, cases, lambda share: None)["coulomb counting"]

    assert counted.rmse_pct < 0.02
    assert counted.coverage_pct is None
    assert counted.converge_s == 0.0


def test_the_command_writes_rows_with_the_agreed_names(tmp_path, capsys, model):
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = made_recording(model, 1500, 0.9, 0.4)
    data, out = tmp_path / "esc26650.parquet", tmp_path / "out.json"
    columns = {
        "cell": ["esc26650"] * 1500,
        "profile": ["drive"] * 1500,
        "time_s": made.time_s,
        "voltage_v": made.voltage_v,
        "current_a": -made.current_a,
        "temperature_c": made.temperature_c,
        "soc": made.soc,
        "q_ref_ah": np.full(1500, made.capacity_ah),
    }
    pq.write_table(pa.table(columns), data)

    assert run_evaluate_soc(data, "auto", "soc=-0.2", out) == 0

    (row,) = json.loads(out.read_text("utf-8"))["rows"]
    assert set(row) == {
        "cell", "profile", "disturbance", "rmse_pct", "mae_pct", "max_pct", "coverage_pct",
        "converge_s",
    }  # fmt: skip
    assert row["rmse_pct"] < 3.0
    assert "counted" in capsys.readouterr().out


def test_wrong_input_is_told_before_anything_runs(tmp_path):
    with pytest.raises(WrongInput, match="neither default"):
        run_evaluate_soc(REAL, "auto", "nonsense", None)
    with pytest.raises(WrongInput, match=r"missing\.toml"):
        run_evaluate_soc(REAL, str(tmp_path / "missing.toml"), "default", None)
    with pytest.raises(WrongInput, match="make it first"):
        run_evaluate_soc(REAL, "auto", "default", tmp_path / "nowhere" / "rows.json")
    with pytest.raises(WrongInput, match=r"missing\.parquet"):
        run_evaluate_soc(tmp_path / "missing.parquet", "auto", "default", None)
