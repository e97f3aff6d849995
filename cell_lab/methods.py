"""The ways to estimate SOC that stand beside one another in the table.

A method is a function from the cases, laid side by side, to what it said of each sample of each.
The first one is the station's own; the others are what it must beat. A method that has nothing
for a make of cell (a network that was never trained for it) says so by None, and its column
shows a dash. To add one, write it and name it in `METHODS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.baselines import count_charge, plain_filter
from cell_lab.grid import Floats, Grid
from station.estimators import soc as soc_estimator
from station.estimators.cell_model import CellModel

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Track:
    """What a method said over all samples of all cases, shape (samples, cases).

    Attributes:
        soc: a share of 1.
        half_width: of the interval of nominally 90 %; None where a method gives none.
        searching: whether a cell was still in its cold start's search; None as above.
    """

    soc: Floats
    half_width: Floats | None
    searching: npt.NDArray[np.bool_] | None = None


Run = Callable[[CellModel, Grid, Floats, Progress | None], Track | None]
"""From the make, the cases, each case's capacity in Ah, and where to tell progress."""


@dataclass(frozen=True)
class Method:
    """One column of the table.

    Attributes:
        name: as rows of JSON call it.
        title: head of the column.
        run: the estimate, or None for a make that the method does not know.
    """

    name: str
    title: str
    run: Run


def follow(
    model: CellModel, grid: Grid, capacity_ah: Floats, progress: Progress | None = None
) -> Track:
    """Run the station's filter over all cases, from a cold start."""
    rows, cases = grid.good.shape
    rack = np.arange(cases)
    state = soc_estimator.cold_start(model, rack, cases, grid.told)
    soc, half_width = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    searching = np.zeros((rows, cases), bool)
    for row in range(rows):
        state, estimate = soc_estimator.step(model, state, grid.samples(row), capacity_ah)
        soc[row], half_width[row] = estimate.soc, estimate.half_width
        searching[row] = state.searching
        if progress is not None:
            progress((row + 1) / rows)
    return Track(soc, half_width, searching)


def _counting(_: CellModel, grid: Grid, capacity_ah: Floats, __: Progress | None) -> Track:
    return Track(count_charge(grid, capacity_ah), None)


def _plain(model: CellModel, grid: Grid, capacity_ah: Floats, _: Progress | None) -> Track:
    return Track(*plain_filter(model, grid, capacity_ah))


METHODS: tuple[Method, ...] = (
    Method("stationmaster", "ours", follow),
    Method("coulomb counting", "counted", _counting),
    Method("EKF", "EKF", _plain),
)
"""The first is the station's own: its rows are what `--json` calls `rows`."""
