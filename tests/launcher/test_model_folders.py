"""Folders of models that are not what was asked for are told before the work, with what to do."""

import shutil

import pytest
from typer.testing import CliRunner

from launcher.anomaly import run_evaluate_anomaly
from launcher.errors import WrongInput
from launcher.life import run_evaluate_life, run_train_life
from launcher.model_folders import check_models
from launcher.models import models
from launcher.paths import DATA
from launcher.soh import run_evaluate_soh, run_train_soh

BUNDLE = DATA / "models" / "lfp-280ah"
KINDS = ("soh", "life", "anomaly")


@pytest.mark.parametrize("kind", KINDS)
def test_the_houses_own_folders_are_of_their_kind_and_of_no_other(kind):
    check_models(DATA / "models" / kind, kind)
    for other in set(KINDS) - {kind}:
        with pytest.raises(
            WrongInput, match=f"holds models of {other}, so no models of {kind}; .*"
        ):
            check_models(DATA / "models" / other, kind)


def test_a_wrong_folder_of_models_is_told_with_what_to_do_instead(tmp_path):
    evaluations = {
        "soh": lambda folder: run_evaluate_soh(tmp_path, folder, None),
        "life": lambda folder: run_evaluate_life(tmp_path, folder, None),
        "anomaly": lambda folder: run_evaluate_anomaly([], folder, None, trials=1, healthy_hours=1),
    }
    for kind, evaluate in evaluations.items():
        for folder, problem in ((tmp_path, "has no "), (tmp_path / "none", "is no folder")):
            remedy = f"leave --models out .* ./stationmaster train {kind}"
            with pytest.raises(WrongInput, match=f"{folder}: {problem}.*{remedy}"):
                evaluate(folder)


@pytest.mark.parametrize("train", [run_train_soh, run_train_life])
def test_a_folder_with_models_of_sets_that_are_not_listed_keeps_them(tmp_path, train):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    out.mkdir()
    (data / "mit.parquet").touch()
    sets = (DATA / "models" / "soh" / "sets.toml").read_text("utf-8")
    (out / "sets.toml").write_text(sets.replace("mit", "own"), "utf-8")
    (out / "own.json").touch()

    with pytest.raises(WrongInput, match=r"holds models of own.* or name another folder by --out"):
        train(data, out, 1)

    assert sorted(path.name for path in out.iterdir()) == ["own.json", "sets.toml"]


def refused(*words: object) -> str:
    done = CliRunner().invoke(models, [str(word) for word in words])

    assert isinstance(done.exception, WrongInput), done.output
    return str(done.exception)


NAMED = ("--name", "lfp", "--version", "2", "--make", "LFP")


def test_whatever_models_refuses_is_told_with_a_remedy(tmp_path):
    altered, empty, text = tmp_path / "altered", tmp_path / "empty", tmp_path / "text.zip"
    shutil.copytree(BUNDLE, altered)
    (altered / "card.md").write_text("another", "utf-8")
    empty.mkdir()
    text.write_text("no archive", "utf-8")
    package = tmp_path / "p.zip"

    pack = "./stationmaster models pack"
    assert f"{pack} FOLDER --out FILE" in refused("show", tmp_path / "none.zip")
    assert f"{pack} FOLDER --out FILE" in refused("show", text)
    assert f"{pack} {empty} --out empty.zip" in refused("show", empty)
    assert f"./stationmaster models seal {altered} --name" in refused(
        "pack", altered, "--out", package
    )
    assert "./stationmaster models seal" in refused("pack", empty, "--out", package)
    assert "copy of data/models/lfp-280ah" in refused("pack", tmp_path / "none", "--out", package)
    assert "make it first" in refused("pack", BUNDLE, "--out", tmp_path / "none" / "p.zip")
    assert "name a file in it" in refused("pack", BUNDLE, "--out", tmp_path)
    assert "./stationmaster identify" in refused("seal", empty, *NAMED)
    assert "copy of data/models/lfp-280ah" in refused("seal", tmp_path / "none", *NAMED)
    assert not package.exists()
