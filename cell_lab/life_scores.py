"""How a prediction of life is judged: cycles, percent, and how often its interval holds."""

from dataclasses import dataclass

import numpy as np

from cell_lab.soh_scores import Flags, Names
from station.estimators.soh_features import Series

LEAST_CYCLES = 50.0
"""Percent are of rows with so many cycles left at the least: at the very end they say nothing."""


@dataclass(frozen=True)
class LifeScore:
    """Of rows of one set; rmse and mae in cycles."""

    rows: int
    cells: int
    rmse_cycles: float
    mae_cycles: float
    mape_pct: float
    coverage_pct: float | None = None


def score_life(left: Series, told: Series, cells: Names, inside: Flags | None = None) -> LifeScore:
    """Return the score of predictions against what came, all of shape (rows,)."""
    error = told - left
    counted = left >= LEAST_CYCLES
    return LifeScore(
        rows=len(left),
        cells=len(np.unique(cells)),
        rmse_cycles=float(np.sqrt(np.mean(error**2))),
        mae_cycles=float(np.mean(np.abs(error))),
        mape_pct=float(100 * np.mean(np.abs(error[counted]) / left[counted])),
        coverage_pct=None if inside is None else float(100 * np.mean(inside)),
    )
