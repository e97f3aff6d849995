"""Training goes on where it was killed, and what it exports is what it trained."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from cell_lab.errors import TrainingError
from cell_lab.network.architecture import TransformerGru
from cell_lab.network.export import export, facts_of, streaming_difference
from cell_lab.network.shape import PLAIN, Shape
from cell_lab.network.training import CHECKPOINT_FILE, Settings, train
from cell_lab.network.trials import trust_of

SETTINGS = Settings(steps=20, batch=4, length=128, every=5)
SMALL = Shape(width=16, window=6)
LARGEST_DIFFERENCE = 1e-5


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def nothing(_share: float, _line: str) -> None:
    """Show no progress."""


class Killed(BaseException):
    """Stands for the power failing."""


def kill_at(step_share: float):
    def progress(share: float, _line: str) -> None:
        if share >= step_share:
            raise Killed

    return progress


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(arrays, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    uninterrupted = train(SMALL, arrays, SETTINGS, whole, nothing)

    with pytest.raises(Killed):
        train(SMALL, arrays, SETTINGS, parts, kill_at(0.5))
    resumed = train(SMALL, arrays, SETTINGS, parts, nothing, resume=True)

    assert resumed.score == uninterrupted.score
    for name, weight in uninterrupted.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_refused(arrays, tmp_path):
    train(SMALL, arrays, replace(SETTINGS, steps=5), tmp_path, nothing)

    with pytest.raises(TrainingError, match="other settings"):
        train(SMALL, arrays, SETTINGS, tmp_path, nothing, resume=True)


def test_without_resume_an_old_checkpoint_is_not_gone_on_from(arrays, tmp_path):
    first = train(SMALL, arrays, SETTINGS, tmp_path, nothing)

    second = train(SMALL, arrays, SETTINGS, tmp_path, nothing)

    assert second.score == first.score
    assert (tmp_path / CHECKPOINT_FILE).exists()


def test_training_makes_the_network_better_than_the_belief_it_is_given(arrays, tmp_path):
    untrained = train(SMALL, arrays, replace(SETTINGS, steps=1), tmp_path, nothing)

    trained = train(SMALL, arrays, replace(SETTINGS, steps=60, rate=1e-2), tmp_path, nothing)

    assert trained.score < untrained.score


@pytest.mark.parametrize("shape", [Shape(), PLAIN], ids=["transformer and GRU", "plain GRU"])
def test_second_by_second_onnx_tells_what_pytorch_tells_of_the_whole_sequence(
    shape, arrays, tmp_path
):
    torch.manual_seed(3)
    network = TransformerGru(shape).eval()
    inputs = np.ascontiguousarray(arrays.inputs[:3, :, : shape.inputs].astype(np.float32))
    assert inputs.shape[1] / shape.patch_s >= shape.window  # the cache has rolled

    difference = export(network, facts_of(network), inputs, tmp_path)

    assert 0 < difference <= LARGEST_DIFFERENCE
    assert difference == streaming_difference(network, tmp_path, inputs)


def test_an_export_that_differs_is_refused_and_the_old_files_stay(arrays, tmp_path, monkeypatch):
    torch.manual_seed(3)
    network = TransformerGru(Shape()).eval()
    inputs = arrays.inputs[:2, :64].astype(np.float32)
    export(network, facts_of(network), inputs, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = TransformerGru(Shape()).eval()
    true_graph = export.__globals__["cells_graph"]
    monkeypatch.setitem(export.__globals__, "cells_graph", lambda _network: true_graph(network))

    with pytest.raises(TrainingError, match="not written"):
        export(other, facts_of(other), inputs, tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_whole_network_has_at_most_200_000_parameters_and_a_cell_at_most_64_bytes():
    facts = facts_of(TransformerGru(Shape()))

    assert facts.parameters <= 200_000
    assert 4 * facts.hidden <= 64


def test_trust_comes_from_recordings_that_were_not_trained_on(arrays, tmp_path):
    fitted = train(SMALL, arrays, SETTINGS, tmp_path, nothing)

    trust = trust_of(fitted.network, arrays, SETTINGS)
    spoiled = replace(
        arrays, error=np.where(arrays.validates[:, None], arrays.error, 0).astype(np.float16)
    )

    assert trust == trust_of(fitted.network, spoiled, SETTINGS)
    assert trust.sd_times >= 1


def test_a_station_never_imports_what_trains():
    script = (
        "import sys, station.estimators, station.estimators.fused; print('torch' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"
