"""Models of life on recordings of cells, beside what they must beat."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from cell_lab.cell_sets import SETS_FILE, CellSet, read_sets
from cell_lab.charge_ends import Life, read_lives
from cell_lab.early_life import (
    LINE,
    NAME,
    PUBLISHED,
    line_of,
    load_early_life,
    predict_early_life,
    read_early_cells,
)
from cell_lab.errors import ChargeEndsError, TrainingError
from cell_lab.evaluate_soh import make_of, set_of
from cell_lab.life_rows import end_of
from cell_lab.life_scores import LifeScore, score_life
from cell_lab.soh_baselines import SohBaselines
from cell_lab.train_life import MEAN_LIFE, RIDGE, baselines_path
from station.estimators.life import load_life_model, predict_life, to_cycles
from station.estimators.soh_features import Series, causal_inputs

EARLY = "early-life.json"
REMAINING_TASK, EARLY_TASK = "remaining cycles", "early life"


@dataclass(frozen=True)
class LifeRow:
    """One set in one file.

    Attributes:
        task: remaining cycles, or early life.
        unended: cells that stop before their end and are not judged.
        published: figures of others on the same cells.
    """

    name: str
    task: str
    score: LifeScore
    baselines: dict[str, LifeScore]
    unended: int = 0
    published: Sequence[dict[str, object]] = ()


def evaluate_life(data: Path, models: Path) -> list[LifeRow]:
    """Return the scores of a file's cells: NPZ of early cycles, or Parquet of whole lives.

    Raises:
        LabError: the file, a set, a baseline or the early model is missing or wrong.
        LifeModelError: a model is missing or wrong.
    """
    if data.suffix == ".npz":
        return [_early_row(data, models)]
    sets = {
        name: cells
        for name, cells in read_sets(models / SETS_FILE).items()
        if (models / f"{name}.json").exists()
    }
    by_set: dict[str, list[Life]] = {}
    for life in read_lives(data):
        by_set.setdefault(set_of(data, life.batch, sets, "life"), []).append(life)
    found = [_row(models, name, sets[name], lives) for name, lives in by_set.items()]
    if not (rows := [row for row in found if row is not None]):
        ends = ", ".join(f"{name} {sets[name].end_soh:g}" for name in by_set)
        raise ChargeEndsError(data, f"no cell came down to the SOH at which a life ends ({ends})")
    return rows


def as_json(rows: list[LifeRow]) -> dict[str, list[dict[str, object]]]:
    """Return rows and baselines as the JSON file has them."""
    told = [{"set": row.name, "task": row.task, **_rounded(row.score)} for row in rows]
    others: list[dict[str, object]] = []
    for row in rows:
        others += [
            {"estimator": name, "set": row.name, **_rounded(found)}
            for name, found in row.baselines.items()
        ]
        others += [{**found, "set": row.name} for found in row.published]
    return {"rows": told, "baselines": others}


def _early_row(data: Path, models: Path) -> LifeRow:
    cells, model = read_early_cells(data), load_early_life(models / EARLY)
    told = predict_early_life(model, cells.charge_ah)
    life, names = cells.life_cycles, np.arange(len(cells.life_cycles)).astype(np.str_)
    inside = (told.low <= life) & (life <= told.high)
    return LifeRow(
        NAME,
        EARLY_TASK,
        score_life(life, told.life, names, inside),
        {LINE: score_life(life, line_of(model, cells.charge_ah), names)},
        published=PUBLISHED,
    )


def _row(models: Path, name: str, cells: CellSet, lives: list[Life]) -> LifeRow | None:
    """Return a set's row, or None where no cell came to its end."""
    model = load_life_model(models / f"{name}.json")
    line = _line(baselines_path(models, name))
    left, told, inside, names = [], [], [], []
    others: dict[str, list[Series]] = {MEAN_LIFE: [], RIDGE: []}
    for life in lives:
        make = make_of(cells, life.batch)
        end = end_of(life, model.card.end_soh * make.nominal_ah)
        if end is None:
            continue
        rows = slice(0, end + 1)
        cycle = life.history.cycle
        found = predict_life(model, life.history)
        truth = cycle[end] - cycle[rows]
        left.append(truth)
        told.append(found.remaining[rows])
        inside.append((found.low[rows] <= truth) & (truth <= found.high[rows]))
        names.append(np.full(end + 1, f"{life.batch}/{life.cell}"))
        inputs = causal_inputs(life.history, np.array(model.card.before_first))[rows]
        others[RIDGE].append(to_cycles(line.told(inputs)[RIDGE]))
        others[MEAN_LIFE].append(np.maximum(model.card.mean_life - cycle[rows], 0))
    if not left:
        return None
    truth, cell = np.concatenate(left), np.concatenate(names)
    return LifeRow(
        name,
        REMAINING_TASK,
        score_life(truth, np.concatenate(told), cell, np.concatenate(inside)),
        {
            other: score_life(truth, np.concatenate(values), cell)
            for other, values in others.items()
        },
        unended=len(lives) - len(left),
    )


def _line(path: Path) -> SohBaselines:
    try:
        return SohBaselines.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise TrainingError(
            f"{path}: {first}; train the set again: "
            "./stationmaster train life --data FOLDER --out FOLDER"
        ) from error


def _rounded(found: LifeScore) -> dict[str, object]:
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in asdict(found).items()
        if value is not None
    }
