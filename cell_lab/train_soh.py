"""Training of SOH models: honest figures first, then the model of all cells.

Whole cells are held out: a cell's cycles are so alike that a model which has seen one of them
has seen them all. Intervals are measured on the same held-out estimates.
"""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold

from cell_lab.cell_sets import CellSet
from cell_lab.charge_ends import Life, measured, read_lives
from cell_lab.errors import TrainingError
from cell_lab.soh_baselines import SohBaselines
from cell_lab.soh_fit import SohFit, fit_soh, thinned
from cell_lab.soh_onnx import to_onnx
from cell_lab.soh_scores import Flags, Names, SohScore, calibrate_for_new_cells, score
from station.estimators.soh import SohCard, Zone, load_soh_model
from station.estimators.soh_features import Inputs, Series, causal_inputs

FOLDS = 5
MOST_DIFFERENCE = 1e-5
"""Of SOH, between the fitted model and what a station runs."""
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Rows:
    """All cycles of a set whose capacity was measured, shape (rows,) each, inputs a row each."""

    inputs: Inputs
    soh: Series
    cell: Names
    batch: Names


@dataclass(frozen=True)
class HeldOut:
    """Estimates of cells by models that had not seen them.

    Attributes:
        told: SOH; zones: the intervals measured on all of them.
        inside: whether the interval held that was measured on yet other cells.
        baselines: score by the baseline's name.
    """

    told: Series
    zones: tuple[Zone, ...]
    inside: Flags
    baselines: dict[str, SohScore]


@dataclass(frozen=True)
class Trained:
    """What training of one set found, and what it wrote."""

    cells: CellSet
    rows: Rows
    held_out: HeldOut
    card: SohCard
    difference: float
    size_bytes: int
    data_sha256: str
    left_out: int


def file_of(folder: Path, name: str) -> Path | None:
    """Return the set's file in a folder, SET.parquet or SET_dev.parquet, or None.

    Raises:
        TrainingError: both are there.
    """
    found = [path for end in ("", "_dev") if (path := folder / f"{name}{end}.parquet").exists()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise TrainingError(f"{folder}: {names} are both of the set {name}; leave one of them")
    return found[0] if found else None


def train_set(
    name: str, cells: CellSet, path: Path, out: Path, *, seed: int, progress: Progress
) -> Trained:
    """Train the model of one set and write it, once it is proved to tell what was fitted.

    Raises:
        ChargeEndsError: the file is wrong.
        TrainingError: too few cells, an unknown batch, or a model that differs once exported.
    """
    lives = read_lives(path)
    before_first = np.nanmedian(np.vstack([life.history.charge_end for life in lives]), axis=0)
    rows = gather(lives, cells, before_first, path)
    held_out = cross_validate(rows, seed, lambda share: progress(share * FOLDS / (FOLDS + 1)))
    fit = fit_soh(
        rows.inputs, rows.soh, seed, lambda share: progress((FOLDS + share) / (FOLDS + 1))
    )
    card = SohCard(
        name=name,
        makes=cells.makes,
        before_first=tuple(before_first.tolist()),
        zones=held_out.zones,
        charge=cells.charge,
    )
    onnx = to_onnx(fit)
    return Trained(
        cells=cells,
        rows=rows,
        held_out=held_out,
        card=card,
        difference=_write_proven(fit, card, onnx, rows.inputs, out),
        size_bytes=len(onnx),
        data_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        left_out=sum(life.unmeasured for life in lives),
    )


def gather(lives: list[Life], cells: CellSet, before_first: Series, path: Path) -> Rows:
    """Return the rows of all lives.

    Raises:
        TrainingError: a batch that the set does not know, or too few cells.
    """
    if unknown := {life.batch for life in lives} - cells.makes.keys():
        raise TrainingError(
            f"{path}: the batch {min(unknown)!r} has no make in sets.toml; add it with its cell, "
            "chemistry and nominal_ah"
        )
    if len(lives) < 2 * FOLDS:
        raise TrainingError(f"{path}: {len(lives)} cells; {2 * FOLDS} are needed at the least")
    good = [measured(life.capacity_ah) for life in lives]
    numbered = list(zip(lives, good, strict=True))
    return Rows(
        np.vstack([causal_inputs(life.history, before_first)[ok] for life, ok in numbered]),
        np.concatenate(
            [life.capacity_ah[ok] / cells.makes[life.batch].nominal_ah for life, ok in numbered]
        ),
        np.concatenate([np.full(ok.sum(), f"{life.batch}/{life.cell}") for life, ok in numbered]),
        np.concatenate([np.full(ok.sum(), life.batch) for life, ok in numbered]),
    )


def cross_validate(rows: Rows, seed: int, progress: Progress) -> HeldOut:
    """Return estimates of every cell by a model that had not seen it."""
    told, fold_of = np.zeros(len(rows.soh)), np.zeros(len(rows.soh), np.intp)
    baselines = {name: np.zeros(len(rows.soh)) for name in ("training mean", "ridge regression")}
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (seen, unseen) in enumerate(folds.split(rows.inputs, groups=rows.cell)):

        def of_all(share: float, fold: int = fold) -> None:
            progress((fold + share) / FOLDS)

        fit = fit_soh(rows.inputs[seen], rows.soh[seen], seed, of_all)
        told[unseen], fold_of[unseen] = fit.predict(rows.inputs[unseen]), fold
        thin = seen[thinned(len(seen))]
        simple = SohBaselines.fit(rows.inputs[thin], rows.soh[thin])
        for name, values in simple.told(rows.inputs[unseen]).items():
            baselines[name][unseen] = values
    zones, held = calibrate_for_new_cells(rows.soh, told, rows.cell, fold_of)
    scores = {name: score(rows.soh, values, rows.cell) for name, values in baselines.items()}
    return HeldOut(told, zones, held, scores)


def _write_proven(fit: SohFit, card: SohCard, onnx: bytes, inputs: Inputs, out: Path) -> float:
    """Write the model and return how far at most it is from the fitted one.

    It is tried beside its place first, so that a refused one leaves an older model as it was.
    """
    with tempfile.TemporaryDirectory(prefix=f".{card.name}-", dir=out) as beside:
        card_path = Path(beside) / f"{card.name}.json"
        card_path.write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
        onnx_path = card_path.with_suffix(".onnx")
        onnx_path.write_bytes(onnx)
        difference = float(
            np.abs(load_soh_model(card_path).run(inputs) - fit.predict(inputs)).max()
        )
        if not difference <= MOST_DIFFERENCE:  # also where it is no number
            raise TrainingError(
                f"{out / onnx_path.name}: not written, for it would differ by {difference:.1e} of "
                f"SOH from the model that was fitted, and {MOST_DIFFERENCE:.0e} is allowed; report "
                "this with the versions of scikit-learn, onnx and onnxruntime"
            )
        for path in (onnx_path, card_path):
            path.replace(out / path.name)
    return difference
