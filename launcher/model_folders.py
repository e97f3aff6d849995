"""Folders of models: those that a command is given, and those of several sets of cells."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from launcher.errors import WrongInput
from launcher.progress import progress

if TYPE_CHECKING:
    from cell_lab.cell_sets import CellSet

Kind = Literal["soh", "life", "anomaly"]
_MARKS: Mapping[Kind, tuple[str, ...]] = {
    "soh": ("baselines.json",),
    "life": ("*-baseline.json", "early-life.json"),
    "anomaly": ("detector.json",),
}
"""Files of which every folder of that kind has one."""


def check_models(folder: Path, kind: Kind) -> None:
    """Tell before the work that a folder has no models of this kind.

    Raises:
        WrongInput: there is no such folder, or it holds something else.
    """
    problem = "is no folder"
    if folder.is_dir():
        if _holds(folder, kind):
            return
        other = next((each for each in _MARKS if _holds(folder, each)), None)
        problem = f"has no {' and no '.join(_MARKS[kind])}"
        if other is not None:
            problem = f"holds models of {other}"
    data = "" if kind == "anomaly" else " --data FOLDER"
    raise WrongInput(
        f"{folder}: {problem}, so no models of {kind}; leave --models out to take the house's own, "
        f"or train some into a new folder: ./stationmaster train {kind}{data} --out FOLDER"
    )


def _holds(folder: Path, kind: Kind) -> bool:
    return any(any(folder.glob(mark)) for mark in _MARKS[kind])


@dataclass(frozen=True)
class SetFiles:
    """Sets of cells, and the files of a folder that are of one.

    Attributes:
        source: the file that names the sets.
        sets: all that it names.
        files: the file of each set that has one.
    """

    source: Path
    sets: "Mapping[str, CellSet]"
    files: Mapping[str, Path]


def files_of_sets(data: Path, shipped: Path, out: Path, besides: str = "") -> SetFiles:
    """Find what can be trained from, and make the folder for what will be.

    Args:
        data: folder of the files; its own file of sets counts, where it has one.
        shipped: folder of the house's models, whose file of sets counts otherwise.
        out: folder for the models.
        besides: a file that is enough by itself.

    Raises:
        WrongInput: there is nothing to train from, or the folder holds models of other sets.
        CellSetsError: the file of sets is wrong.
    """
    from cell_lab.cell_sets import SETS_FILE, read_sets
    from cell_lab.train_soh import file_of

    source = data / SETS_FILE if (data / SETS_FILE).exists() else shipped / SETS_FILE
    sets = read_sets(source)
    files = {name: path for name in sets if (path := file_of(data, name)) is not None}
    if not files and not (besides and (data / besides).exists()):
        other = f", and no {besides}" if besides else ""
        raise WrongInput(
            f"{data}: no file of the sets {', '.join(sets)} ({source}){other}; such a file is "
            "called SET.parquet or SET_dev.parquet"
        )
    out.mkdir(exist_ok=True)
    _check_sets(out, sets, source)
    return SetFiles(source, sets, files)


def _check_sets(out: Path, sets: "Mapping[str, CellSet]", source: Path) -> None:
    """Refuse to put a file of sets into a folder if models there are of none of them."""
    from cell_lab.cell_sets import SETS_FILE, read_sets

    if not (out / SETS_FILE).exists():
        return
    held = [name for name in read_sets(out / SETS_FILE) if (out / f"{name}.json").exists()]
    if unknown := sorted(set(held) - set(sets)):
        raise WrongInput(
            f"{out}: holds models of {', '.join(unknown)}, which {source} does not list; add "
            f"them there from {out / SETS_FILE}, or name another folder by --out"
        )


def train_each(found: SetFiles, train: Callable[[str, Path, Callable[[float], None]], str]) -> None:
    """Train a model of each set, show how far it is, and print what it says of itself.

    Args:
        found: the sets.
        train: takes a set's name, its file, and whom to tell the share that is done; returns a
            line about the model.
    """
    for name, path in found.files.items():
        with progress(stays=True) as tell:
            line = train(name, path, lambda share, name=name, tell=tell: tell(name, share))  # type: ignore[misc]
        print(f"{name}: {line}")


def keep_sets(found: SetFiles, out: Path) -> None:
    """Put the file of sets beside the models that were made by it."""
    from cell_lab.cell_sets import SETS_FILE

    if found.source.resolve() != (out / SETS_FILE).resolve():
        (out / SETS_FILE).write_bytes(found.source.read_bytes())


def write_rows(output: Path | None, rows: Any) -> None:
    """Write what was found as JSON, where a file is asked for."""
    if output is not None:
        text = json.dumps(rows, indent=1, ensure_ascii=False)
        output.write_text(text + "\n", "utf-8")
