"""From recordings to the files of a station and the card beside them."""

from dataclasses import replace

import pytest

from cell_lab.errors import TrainingError
from cell_lab.network.card import model_card
from cell_lab.network.prepare import Amounts
from cell_lab.network.run import Plan, read_folder, train_network
from cell_lab.network.scores import score_alone
from cell_lab.network.shape import Shape
from cell_lab.network.training import Settings
from station.estimators.network import load_network
from station.estimators.network_inputs import PLAIN

from .conftest import SPLITS

PLAN = Plan(
    fold="cold",
    amounts=Amounts(seconds=512, variants=1, made=4),
    settings=Settings(steps=4, batch=2, length=96, every=2),
    shape=Shape(width=16, window=6),
    workers=1,
)


def nothing(_part: str, _share: float, _line: str) -> None:
    """Show no progress."""


def test_the_same_seed_gives_the_same_network(recordings, tmp_path):
    once, again = tmp_path / "once", tmp_path / "again"

    trained = train_network(recordings, SPLITS, once, PLAN, nothing)
    train_network(recordings, SPLITS, again, PLAN, nothing)

    for name in ("cells.onnx", "racks.onnx", "network.json"):
        assert (once / name).read_bytes() == (again / name).read_bytes()
    assert load_network(once).facts == trained.facts
    assert trained.facts.trust.is_nothing  # until it was tried beside the filter


def test_the_card_tells_how_good_a_network_is_where_it_never_was(recordings, tmp_path):
    few = [each for each in recordings if each.profile != "US06"]
    trained = train_network(few, SPLITS, tmp_path, PLAN, nothing)

    alone = score_alone(trained.fitted.network, few, SPLITS, "cold", 1.0)
    card = model_card(trained, PLAN, SPLITS, few, alone)
    assert "Never saw esc26650 at 0 °C" in card
    assert alone[0].where == "esc26650 at 0 °C"
    assert f"| {alone[0].where} | {alone[0].before:.2f} |" in card


def test_a_plain_network_is_trained_by_the_same_command(recordings, tmp_path):
    plan = replace(PLAN, settings=replace(PLAN.settings, raw=True))

    trained = train_network(recordings, SPLITS, tmp_path / "plain", plan, nothing)

    assert load_network(tmp_path / "plain", PLAIN).facts == trained.facts


def test_a_fold_that_the_splits_do_not_have_is_refused(recordings, tmp_path):
    with pytest.raises(TrainingError, match="no fold 'warm'; the splits have all, cold"):
        train_network(recordings, SPLITS, tmp_path, replace(PLAN, fold="warm"), nothing)


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="holds no Parquet files of recordings"):
        read_folder(tmp_path)
