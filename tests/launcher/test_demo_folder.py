"""The folder of a run: removed when all went well, kept when not, and known when left behind."""

from pathlib import Path

import pytest

from launcher.demo_folder import again_commands, left_behind, run_folder
from launcher.errors import LauncherError
from launcher.paths import ROOT


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """The machine's folder of temporary files, for this test alone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_temporary_folder_goes_with_its_run():
    with run_folder(None) as folders:
        assert folders.root.is_dir()

    assert not folders.root.exists()


def test_a_failed_run_leaves_its_folder_and_says_where(capsys):
    with pytest.raises(LauncherError, match="plant"), run_folder(None) as folders:
        raise LauncherError("the plant ended")

    assert folders.root.is_dir()
    assert str(folders.root) in capsys.readouterr().err


def test_what_a_killed_run_left_is_told_from_what_another_run_uses(temporary):
    (temporary / "stationmaster-demo-dead").mkdir()

    with run_folder(None) as folders:
        found = left_behind()

    assert folders.root not in found
    assert found == [temporary / "stationmaster-demo-dead"]


def test_a_file_in_the_place_of_the_folder_to_keep_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(LauncherError, match="is a file"), run_folder(tmp_path / "file"):
        pass

    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_use_is_not_kept_into(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")

    with pytest.raises(LauncherError, match="not empty"), run_folder(tmp_path / "full"):
        pass


def test_a_kept_folder_stays(tmp_path):
    with run_folder(tmp_path / "new") as folders:
        pass

    assert folders.root == (tmp_path / "new").resolve()
    assert folders.root.is_dir()


def test_what_starts_a_kept_demo_again_is_what_the_guide_says():
    guide = (ROOT / "docs" / "engineer.md").read_text("utf-8")

    commands = again_commands(Path("my-station"))

    lines = [line.partition("#")[0].rstrip() for line in guide.splitlines()]
    first = lines.index(commands[0])
    assert lines[first : first + len(commands)] == commands
