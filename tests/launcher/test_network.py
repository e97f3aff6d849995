"""`./stationmaster train network`: what is refused before hours of work are spent."""

from pathlib import Path

import pytest

from launcher.errors import WrongInput
from launcher.network import Wishes, run_train_network


def test_a_training_in_the_folder_is_not_overwritten_by_mistake(tmp_path: Path):
    (tmp_path / "checkpoint.pt").touch()

    with pytest.raises(WrongInput, match="--resume"):
        run_train_network(tmp_path, tmp_path, None, Wishes(), resume=False)


def test_a_folder_without_recordings_is_told_as_wrong_input(tmp_path: Path):
    with pytest.raises(WrongInput, match="holds no Parquet files of recordings"):
        run_train_network(tmp_path, tmp_path / "out", None, Wishes(), resume=False)


def test_splits_that_are_missing_are_told_with_where_good_ones_are(tmp_path: Path):
    with pytest.raises(WrongInput, match="data/models/network has one"):
        run_train_network(tmp_path, tmp_path / "out", tmp_path / "no.toml", Wishes(), resume=False)
