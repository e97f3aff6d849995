"""Training of models of remaining life: honest figures first, then the model of all cells."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import helper
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from cell_lab.cell_sets import CellSet
from cell_lab.charge_ends import read_lives
from cell_lab.errors import TrainingError
from cell_lab.life_rows import LifeRows, life_rows
from cell_lab.life_scores import LifeScore, score_life
from cell_lab.soh_baselines import SohBaselines
from cell_lab.soh_fit import thinned
from cell_lab.soh_onnx import graph_bytes, trees_node
from cell_lab.soh_scores import calibrate_for_new_cells
from station.estimators.life import LifeCard, load_life_model, to_cycles, to_logarithm
from station.estimators.soh_features import Inputs, Series

FOLDS = 5
MOST_DIFFERENCE = 1e-4
"""Of the logarithm, between the fitted model and what a station runs."""
ZONES = tuple(to_logarithm(np.array([50.0, 150.0, 400.0, 900.0])).tolist())
MEAN_LIFE, RIDGE = "mean life less age", "ridge regression"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class TrainedLife:
    """What training of one set found; all scores are of cells that were held out."""

    cells: CellSet
    rows: LifeRows
    score: LifeScore
    late: LifeScore
    baselines: dict[str, LifeScore]
    difference: float
    data_sha256: str


def baselines_path(folder: Path, name: str) -> Path:
    """Return where a set's baseline lies."""
    return folder / f"{name}-baseline.json"


def train_life(
    name: str, cells: CellSet, path: Path, out: Path, *, seed: int, progress: Progress
) -> TrainedLife:
    """Train the model of one set and write it, once it is proved to tell what was fitted.

    Raises:
        ChargeEndsError: the file is wrong.
        TrainingError: too few cells came to their end, or the exported model differs.
    """
    lives = read_lives(path)
    before_first = np.nanmedian(np.vstack([life.history.charge_end for life in lives]), axis=0)
    rows = life_rows(lives, cells, before_first, path)
    names = np.unique(rows.cell)
    if len(names) < 2 * FOLDS:
        raise TrainingError(
            f"{path}: {len(names)} cells came down to an SOH of {cells.end_soh:g}; "
            f"{2 * FOLDS} are needed at the least"
        )
    target, told = to_logarithm(rows.left), np.zeros(len(rows.left))
    others = {MEAN_LIFE: np.zeros(len(told)), RIDGE: np.zeros(len(told))}
    fold_of = np.zeros(len(told), np.intp)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (seen, unseen) in enumerate(folds.split(rows.inputs, groups=rows.cell)):
        fit = _fit(rows.inputs[seen], target[seen], seed)
        told[unseen], fold_of[unseen] = fit.predict(rows.inputs[unseen]), fold
        life = _mean_life(rows, seen)
        others[MEAN_LIFE][unseen] = np.maximum(life - rows.cycle[unseen], 0)
        others[RIDGE][unseen] = to_cycles(fit.line.told(rows.inputs[unseen])[RIDGE])
        progress((fold + 1) / (FOLDS + 1))
    zones, held = calibrate_for_new_cells(target, told, rows.cell, fold_of, ZONES)
    everything = np.arange(len(told))
    card = LifeCard(
        name=name,
        makes=cells.makes,
        end_soh=cells.end_soh,
        mean_life=_mean_life(rows, everything),
        before_first=tuple(before_first.tolist()),
        zones=zones,
    )
    fit = _fit(rows.inputs, target, seed)
    difference = _write_proven(fit, card, rows.inputs, out)
    baselines_path(out, name).write_text(fit.line.model_dump_json() + "\n", "utf-8")
    progress(1.0)
    cycles, late = to_cycles(told), rows.left <= np.exp(ZONES[1])
    return TrainedLife(
        cells=cells,
        rows=rows,
        score=score_life(rows.left, cycles, rows.cell, held),
        late=score_life(rows.left[late], cycles[late], rows.cell[late], held[late]),
        baselines={
            other: score_life(rows.left, values, rows.cell) for other, values in others.items()
        },
        difference=difference,
        data_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


@dataclass(frozen=True)
class _Fit:
    """Boosted trees and a line, half each: trees bend, a line goes on where no cell has been."""

    trees: HistGradientBoostingRegressor
    line: SohBaselines

    def predict(self, inputs: Inputs) -> Series:
        mixed: Series = (self.trees.predict(inputs) + self.line.told(inputs)[RIDGE]) / 2
        return mixed


def _fit(inputs: Inputs, target: Series, seed: int) -> _Fit:
    rows = thinned(len(target))
    trees = HistGradientBoostingRegressor(
        max_iter=300,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=60,
        l2_regularization=10.0,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1):  # more threads add in another order: no two models alike
        return _Fit(
            trees.fit(inputs[rows], target[rows]), SohBaselines.fit(inputs[rows], target[rows])
        )


def _mean_life(rows: LifeRows, here: npt.NDArray[np.intp]) -> float:
    first = np.unique(rows.cell[here], return_index=True)[1]
    return float(np.mean((rows.left + rows.cycle)[here][first]))


def _onnx(fit: _Fit) -> bytes:
    """Return the model: inputs (cycles, INPUTS) in single precision, logarithm (cycles, 1) out.

    The line's inputs are centred first: its slopes are steep, and single precision is short.
    """
    low, high = (np.array(bound, np.float32) for bound in (fit.line.low, fit.line.high))
    centre = ((low.astype(np.float64) + high) / 2).astype(np.float32)
    slopes = np.array(fit.line.slopes)
    level = fit.line.level + centre.astype(np.float64) @ slopes
    constants = {
        "low": low,
        "high": high,
        "centre": centre,
        "slopes": (slopes[:, None] / 2).astype(np.float32),
        "level": np.array([level / 2], np.float32),
    }
    nodes = [
        helper.make_node("Identity", ["inputs"], ["clipped"]),
        trees_node(fit.trees, 0.5),
        helper.make_node("Max", ["inputs", "low"], ["raised"]),
        helper.make_node("Min", ["raised", "high"], ["bounded"]),
        helper.make_node("Sub", ["bounded", "centre"], ["centred"]),
        helper.make_node("Gemm", ["centred", "slopes", "level"], ["line"]),
        helper.make_node("Sum", ["trees", "line"], ["left"]),
    ]
    return graph_bytes("life", nodes, "left", constants)


def _write_proven(fit: _Fit, card: LifeCard, inputs: Inputs, out: Path) -> float:
    """Write the model and return how far at most it is from the fitted one."""
    with tempfile.TemporaryDirectory(prefix=f".{card.name}-", dir=out) as beside:
        card_path = Path(beside) / f"{card.name}.json"
        card_path.write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
        onnx_path = card_path.with_suffix(".onnx")
        onnx_path.write_bytes(_onnx(fit))
        told = load_life_model(card_path).run(inputs)
        difference = float(np.abs(told - fit.predict(inputs)).max())
        if not difference <= MOST_DIFFERENCE:  # also where it is no number
            raise TrainingError(
                f"{out / onnx_path.name}: not written, for it would differ by {difference:.1e} "
                f"from the model that was fitted, and {MOST_DIFFERENCE:.0e} is allowed; report "
                "this with the versions of scikit-learn, onnx and onnxruntime"
            )
        for path in (onnx_path, card_path):
            path.replace(out / path.name)
    return difference
