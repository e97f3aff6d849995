"""Whole lives as rows: what is known after each cycle, and how many cycles were left."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cell_lab.cell_sets import CellSet
from cell_lab.charge_ends import Life, measured
from cell_lab.errors import TrainingError
from cell_lab.soh_scores import Names
from station.estimators.soh_features import Inputs, Series, causal_inputs

_FIRST_CYCLES = 20
"""Before these a low capacity is the beginning of a test, not the end of a life."""
_MEDIAN_OF = 5
"""The end is where the median of so many cycles is below it: one odd cycle ends no life."""


@dataclass(frozen=True)
class LifeRows:
    """Cycles of lives that ended, shape (rows,) each, inputs a row each.

    Attributes:
        left: cycles until the end; cycle: since the first.
        unended: cells whose recordings stop before their end.
    """

    inputs: Inputs
    left: Series
    cycle: Series
    cell: Names
    unended: int


def life_rows(lives: list[Life], cells: CellSet, before_first: Series, path: Path) -> LifeRows:
    """Return the rows of all lives that came to their end.

    Raises:
        TrainingError: none did, or a batch has no make.
    """
    inputs, left, cycle, names = [], [], [], []
    for life in lives:
        if life.batch not in cells.makes:
            raise TrainingError(f"{path}: the batch {life.batch!r} has no make in sets.toml")
        end = end_of(life, cells.end_soh * cells.makes[life.batch].nominal_ah)
        if end is None:
            continue
        rows = slice(0, end + 1)
        inputs.append(causal_inputs(life.history, before_first)[rows])
        left.append(life.history.cycle[end] - life.history.cycle[rows])
        cycle.append(life.history.cycle[rows])
        names.append(np.full(end + 1, f"{life.batch}/{life.cell}"))
    if not inputs:
        raise TrainingError(f"{path}: no cell came down to an SOH of {cells.end_soh:g}")
    return LifeRows(
        np.vstack(inputs),
        np.concatenate(left),
        np.concatenate(cycle),
        np.concatenate(names),
        len(lives) - len(inputs),
    )


def end_of(life: Life, end_ah: float) -> int | None:
    """Return the row at which a life ended, or None where it did not."""
    good = measured(life.capacity_ah)
    capacity = np.where(good, life.capacity_ah, np.nan)
    padded = np.concatenate([np.full(_MEDIAN_OF - 1, np.nan), capacity])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_OF)
    known = np.isfinite(windows).any(axis=1)
    median = np.full(len(capacity), np.inf)
    median[known] = np.nanmedian(windows[known], axis=1)
    ended = np.flatnonzero(median[_FIRST_CYCLES:] <= end_ah)
    return int(ended[0]) + _FIRST_CYCLES if len(ended) else None
