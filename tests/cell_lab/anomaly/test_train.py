import json

import numpy as np
import pytest

from cell_lab.anomaly.card_text import model_card
from cell_lab.anomaly.train import Plan, train_detector
from cell_lab.errors import TrainingError
from station.estimators.anomaly import load_detector
from station.estimators.anomaly.windows import FIGURES, POINTS, SCALES_S

SMALL = Plan(hours=2.2, cells=24, stacks=1, large_stacks=0, small_stacks=1, steps=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("detector")
    train_detector(out, SMALL)
    return out


def test_what_is_written_is_what_was_trained_and_a_station_can_load_it(folder):
    detector = load_detector(folder)
    windows = np.zeros((5, len(SCALES_S), FIGURES, POINTS), np.float32)

    assert json.loads((folder / "network.json").read_text())["parity"] <= 1e-5
    assert np.isfinite(detector.distance(windows)).all()
    assert "Levels from" in model_card(folder, detector)


def test_a_folder_goes_on_where_it_stopped_and_refuses_another_plan(folder):
    before = (folder / "network.onnx").read_bytes()
    told = []
    (folder / "detector.json").unlink()

    train_detector(folder, SMALL, progress=lambda step, _share: told.append(step))

    assert (folder / "network.onnx").read_bytes() == before
    assert told == []
    (folder / "parts" / "scores-0.npz").unlink()
    train_detector(folder, SMALL, progress=lambda step, _share: told.append(step))
    assert set(told) == {"scores"}
    with pytest.raises(TrainingError, match="another plan"):
        train_detector(folder, Plan())


def test_shapes_that_are_put_in_leave_other_windows_alone():
    from cell_lab.anomaly.contrastive import disturbed

    rng = np.random.default_rng(2)
    quiet = np.zeros((400, len(SCALES_S), FIGURES, POINTS), np.float32)

    strange, shape = disturbed(quiet, rng)

    assert set(shape.tolist()) == set(range(6))
    assert (quiet == 0).all()
    moved = np.abs(strange).max(axis=(1, 3)) > 0
    assert (moved.sum(axis=1) <= 1).all()
    assert moved.any(axis=1).mean() > 0.9
