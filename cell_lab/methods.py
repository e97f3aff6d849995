"""The ways to estimate SOC that stand beside one another in the table.

A method is a function from the cases, laid side by side, to what it said of each sample of each.
The first one is the station's own; the others are what it must beat. A method that has nothing
for a make of cell (a network that was never trained for it) says so by None, and its column
shows a dash. To add one, write it and name it in `METHODS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from cell_lab.baselines import count_charge, plain_filter
from cell_lab.grid import Floats, Grid
from cell_lab.network.follow import follow_fused, follow_plain
from cell_lab.network.splits import SPLITS_FILE, read_splits
from cell_lab.parameter_files import CELLS
from cell_lab.track import Progress, Track
from station.estimators import soc as soc_estimator
from station.estimators.cell_model import CellModel
from station.estimators.network import FACTS_FILE, Network, load_network
from station.estimators.network_inputs import INPUTS, PLAIN

__all__ = ["METHODS", "Method", "Progress", "Run", "Track", "follow", "methods_without"]

NETWORKS = CELLS.parent / "models" / "network"

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


@cache
def _loaded(folder: Path, inputs: tuple[str, ...]) -> Network | None:
    return load_network(folder, inputs) if (folder / FACTS_FILE).is_file() else None


def methods_of(folder: Path) -> tuple[Method, ...]:
    """Return all methods, with the networks of a folder; without them, the filter alone is ours."""

    def fused(model: CellModel, grid: Grid, capacity_ah: Floats, told: Progress | None) -> Track:
        return follow_fused(model, _loaded(folder, INPUTS), grid, capacity_ah, told)

    def plain(_: CellModel, grid: Grid, capacity_ah: Floats, __: Progress | None) -> Track | None:
        network = _loaded(folder / "plain", PLAIN)
        return None if network is None else follow_plain(network, grid, capacity_ah)

    return (
        Method("stationmaster", "ours", fused),
        Method("filter alone", "filter", follow),
        Method("coulomb counting", "counted", _counting),
        Method("EKF", "EKF", _plain),
        Method("plain GRU", "GRU", plain),
    )


METHODS = methods_of(NETWORKS)
"""The first is the station's own: its rows are what `--json` calls `rows`."""


def methods_without(cell: str, chamber_c: float) -> tuple[Method, ...]:
    """Return the methods with networks that have never seen a temperature of a cell.

    Where the splits hold it out of no fold, a network has either never seen the cell at all, or
    none is at hand: then the filter alone is ours.
    """
    splits = read_splits(NETWORKS / SPLITS_FILE)
    if any(cell.startswith(name) for name in splits.held_out_cells):
        return METHODS
    for fold in splits.folds:
        if chamber_c in splits.held_out_c(cell, fold):
            return methods_of(NETWORKS / "held-out" / fold)
    return methods_of(NETWORKS / "none")
