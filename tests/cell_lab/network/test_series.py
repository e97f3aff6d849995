"""What a network is trained on: nothing of what is held out, and the same whoever makes it."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.drives import lag
from cell_lab.errors import TrainingError
from cell_lab.network.prepare import Amounts, prepare
from cell_lab.network.series import approach, drive_cell, driven, every_second, warmer_inside
from cell_lab.network.splits import Splits, read_splits
from cell_lab.parameter_files import CELLS, parameters_of
from station.estimators import build_cell_model
from station.estimators.cell_parameters import Counting

from .conftest import SPLITS, made_recording

SHIPPED_SPLITS = CELLS.parent / "models" / "network" / "splits.toml"


def test_a_recording_of_a_held_out_temperature_cycle_or_cell_is_never_trained_on():
    splits = read_splits(SHIPPED_SPLITS)

    assert splits.role(made_recording("udds", 5.0, 0.5), "a") == "test"
    assert splits.role(made_recording("udds", 5.0, 0.5), "b") == "train"
    assert splits.role(made_recording("589_US06", 40.0, 0.5), "all") == "test"
    assert splits.role(made_recording("589_Mixed8", 40.0, 0.5), "all") == "validate"


def test_what_is_held_out_changes_nothing_of_what_is_trained_on(recordings, arrays):
    amounts = Amounts(seconds=512, variants=2, made=8)
    kept = [each for each in recordings if "US06" not in each.profile and each.chamber_c != 0]

    without = prepare(kept, SPLITS, "cold", amounts, seed=1, workers=1, progress=lambda _: None)

    assert np.array_equal(without.inputs, arrays.inputs)
    assert np.array_equal(without.error, arrays.error)


def test_series_are_the_same_by_two_workers(recordings, arrays):
    amounts = Amounts(seconds=512, variants=2, made=8)

    found = prepare(
        recordings, SPLITS, "cold", amounts, seed=1, workers=2, progress=lambda _share: None
    )

    assert np.array_equal(found.inputs, arrays.inputs)
    assert np.array_equal(found.error, arrays.error)


def test_splits_that_leave_nothing_are_refused(recordings):
    nothing = Splits(held_out_cells=("esc",), folds={"all": {}})

    with pytest.raises(TrainingError, match="leave no recording"):
        prepare(recordings, nothing, "all", Amounts(), seed=1, workers=1, progress=lambda _: None)


def test_a_lag_in_blocks_is_the_lag_in_steps():
    drive = np.random.default_rng(1).normal(0, 3, 1000)

    found = approach(np.full(1000, np.exp(-1 / 3)), drive, 0.0)

    assert np.allclose(found, lag(drive, np.ones(1000), 3.0), atol=1e-12)


def test_a_made_cell_without_differences_has_the_voltage_that_its_make_expects():
    model = build_cell_model(parameters_of("lg_hg2"))
    c_rate = np.random.default_rng(2).normal(0.3, 1, 3000)

    made = drive_cell(model, model.capacity_ah, c_rate, 0.8, np.random.default_rng(3))

    lagged_a, _ = driven(model, made.current_a, model.capacity_ah)
    soc, surface_c = made.soc.astype(np.float32), made.temperature_c.astype(np.float32)
    core_k = warmer_inside(model, soc, surface_c, made.current_a, lagged_a)
    values, _ = model.look_up(soc, surface_c + core_k)
    expected = values[0] - (values[2:] * lagged_a).sum(0)
    assert np.allclose(made.voltage_v, expected, atol=1e-5)


def test_a_coarse_recording_keeps_its_charge_on_a_grid_of_seconds():
    coarse = made_recording("ocvdis", 25.0, 0.04)

    fine = every_second(coarse)

    moved = fine.current_a.sum() / 3600 / fine.capacity_ah
    assert moved == pytest.approx(fine.soc[0] - fine.soc[-1], abs=1e-4)


def test_a_made_cell_loses_of_what_is_charged_what_its_make_loses():
    model = build_cell_model(parameters_of("lg_hg2"))
    model = replace(model, counting=Counting(capacity=1.02, charge=0.98))
    c_rate = np.repeat([0.5, -0.5], 900)

    made = drive_cell(model, model.capacity_ah, c_rate, 0.5, np.random.default_rng(3))

    drawn, lost = 0.5 * 900 / 3600 / 1.02, 0.02
    assert made.soc[899] == pytest.approx(0.5 - drawn)
    assert made.soc[-1] == pytest.approx(0.5 - lost * drawn)
