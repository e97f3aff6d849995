"""How an SOH estimate is judged: errors in percent, and how often its interval holds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.estimators.soh import NOMINAL_COVERAGE, Zone, interval
from station.estimators.soh_features import Series

Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]
Folds = npt.NDArray[np.intp]

ZONE_BOUNDS = (0.85, 0.9, 0.95, 1.0, 1.05)
"""Between them the intervals are measured on their own."""
_LEAST_CELLS, _LEAST_ROWS = 6, 300
"""A zone with fewer takes the interval of the whole set."""
_BEYOND = 9.0
"""Above every estimate."""
_LEVELS = tuple(NOMINAL_COVERAGE + 0.005 * step for step in range(19))


@dataclass(frozen=True)
class SohScore:
    """Of rows of one set; percent, the rmse of the nominal capacity, the mape of the measured."""

    rows: int
    cells: int
    mape_pct: float
    rmse_pct: float
    coverage_pct: float | None = None


def score(soh: Series, told: Series, cells: Names, inside: Flags | None = None) -> SohScore:
    """Return the score of estimates against what was measured, all of shape (rows,)."""
    error = told - soh
    return SohScore(
        rows=len(soh),
        cells=len(np.unique(cells)),
        mape_pct=float(100 * np.mean(np.abs(error) / soh)),
        rmse_pct=float(100 * np.sqrt(np.mean(error**2))),
        coverage_pct=None if inside is None else float(100 * np.mean(inside)),
    )


def calibrate(
    soh: Series,
    told: Series,
    cells: Names,
    level: float = NOMINAL_COVERAGE,
    bounds: tuple[float, ...] = ZONE_BOUNDS,
) -> tuple[Zone, ...]:
    """Return intervals that hold a share of the rows of cells the model had not seen.

    Each end leaves half of the rest outside, with the correction of split conformal prediction
    for a finite number of rows.

    Args:
        soh: measured, shape (rows,).
        told: by a model that had not seen the cell, shape (rows,).
        cells: name of each row's.
        level: the share.
        bounds: of the zones, in the estimate's unit.
    """
    error = soh - told
    whole = _ends(error, level)
    place = np.searchsorted(bounds, told, side="right")
    zones = []
    for number, below in enumerate((*bounds, _BEYOND)):
        here = place == number
        enough = here.sum() >= _LEAST_ROWS and len(np.unique(cells[here])) >= _LEAST_CELLS
        low, high = _ends(error[here], level) if enough else whole
        zones.append(Zone(below=below, low=low, high=high))
    return tuple(zones)


def calibrate_for_new_cells(
    soh: Series,
    told: Series,
    cells: Names,
    fold: Folds,
    bounds: tuple[float, ...] = ZONE_BOUNDS,
) -> tuple[tuple[Zone, ...], Flags]:
    """Return intervals that hold nine times in ten on yet other cells, and whether they held.

    The rows of a cell err alike, so that intervals measured on some cells are too narrow for
    others. Each fold of cells is tried with intervals of the other folds, at the least level
    that holds the nominal share there.

    Args:
        soh: measured, shape (rows,).
        told: by a model that had not seen the cell, shape (rows,).
        cells: name of each row's.
        fold: number of each row's.
        bounds: of the zones, in the estimate's unit.
    """
    held = np.zeros(len(soh), bool)
    level = _LEVELS[0]
    for level in _LEVELS:
        for number in np.unique(fold):
            here = fold == number
            zones = calibrate(soh[~here], told[~here], cells[~here], level, bounds)
            held[here] = inside(zones, soh[here], told[here])
        if held.mean() >= NOMINAL_COVERAGE:
            break
    return calibrate(soh, told, cells, level, bounds), held


def inside(zones: tuple[Zone, ...], soh: Series, told: Series) -> Flags:
    """Return whether each measured SOH lies in the interval about its estimate."""
    low, high = interval(zones, told)
    return (low <= soh) & (soh <= high)


def _ends(error: Series, level: float) -> tuple[float, float]:
    tail = max(0.0, (1 - level) / 2 - 1 / (len(error) + 1))
    low, high = np.quantile(error, [tail, 1 - tail])
    return float(low), float(high)
