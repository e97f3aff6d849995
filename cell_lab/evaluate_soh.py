"""SOH models on recordings of cells that they were not trained on, beside what they must beat."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cell_lab.cell_sets import SETS_FILE, CellSet, read_sets
from cell_lab.charge_ends import Life, measured, read_lives
from cell_lab.errors import ChargeEndsError, UnknownBatchError
from cell_lab.soh_baselines import baselines_of
from cell_lab.soh_scores import SohScore, score
from station.estimators.soh import Make, estimate_soh, load_soh_model
from station.estimators.soh_features import Series, causal_inputs

PUBLISHED = "PINN4SOH, published, not causal"


@dataclass(frozen=True)
class Row:
    """One set in one file.

    Attributes:
        name: of the set; score: of the model, baselines: of simpler ones.
        held: missing numbers that were replaced by the cell's last; unmeasured: cycles that
            have no capacity to be judged by.
    """

    name: str
    cells: CellSet
    score: SohScore
    baselines: dict[str, SohScore]
    held: int
    unmeasured: int


def evaluate_soh(data: Path, models: Path) -> list[Row]:
    """Return the scores of a file's cells, a row for each set that they belong to.

    Raises:
        LabError: the file, a set or a baseline is missing or wrong, or no model is at hand.
        SohModelError: a model is missing or wrong.
    """
    sets = {
        name: cells
        for name, cells in read_sets(models / SETS_FILE).items()
        if (models / f"{name}.json").exists()
    }
    by_set: dict[str, list[Life]] = {}
    for life in read_lives(data):
        by_set.setdefault(set_of(data, life.batch, sets), []).append(life)
    return [_row(data, models, name, sets[name], lives) for name, lives in by_set.items()]


def set_of(data: Path, batch: str, sets: dict[str, CellSet], what: str = "soh") -> str:
    """Return the set of a batch: the one that names it, or the one the file is called after.

    Raises:
        UnknownBatchError: neither is known.
    """
    for name, cells in sets.items():
        if batch in cells.makes:
            return name
    for name, cells in sets.items():
        if data.name.startswith(name) and len(_plates(cells)) == 1:
            return name
    raise UnknownBatchError(data, batch, list(sets), what)


def as_json(rows: list[Row]) -> dict[str, list[dict[str, object]]]:
    """Return rows and baselines as the JSON file has them."""
    told = [
        {
            "set": row.name,
            **_rounded(row.score),
            "held_values": row.held,
            "cycles_without_capacity": row.unmeasured,
        }
        for row in rows
    ]
    baselines: list[dict[str, object]] = []
    for row in rows:
        baselines += [
            {"estimator": name, "set": row.name, **_rounded(found)}
            for name, found in row.baselines.items()
        ]
        baselines += [
            {"estimator": PUBLISHED, "set": row.name, **published.model_dump(exclude_none=True)}
            for published in row.cells.published
        ]
    return {"rows": told, "baselines": baselines}


def _row(data: Path, models: Path, name: str, cells: CellSet, lives: list[Life]) -> Row:
    model = load_soh_model(models / f"{name}.json")
    baselines = baselines_of(name, models)
    soh, told, inside = [], [], []
    others: dict[str, list[Series]] = {}
    keys = []
    for life in lives:
        good = measured(life.capacity_ah)
        truth = life.capacity_ah[good] / make_of(cells, life.batch).nominal_ah
        found = estimate_soh(model, life.history)
        soh.append(truth)
        told.append(found.soh[good])
        inside.append((found.low[good] <= truth) & (truth <= found.high[good]))
        keys.append(np.full(len(truth), f"{life.batch}/{life.cell}"))
        inputs = causal_inputs(life.history, np.array(model.card.before_first))[good]
        for other, values in baselines.told(inputs).items():
            others.setdefault(other, []).append(values)
    truth, cell = np.concatenate(soh), np.concatenate(keys)
    if not len(truth):
        raise ChargeEndsError(data, f"no cycle of {name} has a capacity to be judged by")
    return Row(
        name=name,
        cells=cells,
        score=score(truth, np.concatenate(told), cell, np.concatenate(inside)),
        baselines={
            other: score(truth, np.concatenate(values), cell) for other, values in others.items()
        },
        held=sum(life.held for life in lives),
        unmeasured=sum(life.unmeasured for life in lives),
    )


def make_of(cells: CellSet, batch: str) -> Make:
    """Return the make of a batch; of one that the set does not name, the set's first.

    Such a batch was told by the file's name, and then all makes of the set have one nominal
    capacity (`set_of`).
    """
    return cells.makes.get(batch) or next(iter(cells.makes.values()))


def _plates(cells: CellSet) -> set[float]:
    return {make.nominal_ah for make in cells.makes.values()}


def _rounded(found: SohScore) -> dict[str, object]:
    return {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(found).items()
        if value is not None
    }
