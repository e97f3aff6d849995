"""Runs simulated cells over a drive: what they would truly do, before any sensor looks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.errors import NumbaMissingError, SimulationError
from cell_lab.simulate.cells import Cells, Values, lfp_entropy
from cell_lab.simulate.faults import CellFault, fault_arrays
from station.estimators.cell_model import SOC_GRID, TEMPERATURE_GRID_C, CellModel

Floats = npt.NDArray[np.float32]

_STRINGS_BY_STEPS = 2
_LONGEST_STEP_S = 60.0
"""Longer ones would hide the lags of seconds that the voltage is made of."""


@dataclass(frozen=True)
class Drive:
    """What strings of cells are put through.

    Attributes:
        current_a: positive discharges, shape (strings, steps).
        ambient_c: of what cools the cells, shape (strings, steps).
        step_s: seconds of one step.
    """

    current_a: Values
    ambient_c: Values
    step_s: float = 1.0

    @property
    def hours(self) -> float:
        """How long it takes."""
        return float(self.current_a.shape[1] * self.step_s / 3600.0)


@dataclass(frozen=True)
class State:
    """Where cells stand; give it to the next run to go on.

    Attributes:
        numbers: SOC, hysteresis -1..1, core and surface in deg C; shape (cells, 4).
        lagged_a: current behind each term's lag, shape (cells, terms).
    """

    numbers: Values
    lagged_a: Values

    @property
    def soc(self) -> Values:
        """SOC of each cell."""
        soc: Values = self.numbers[:, 0]
        return soc


@dataclass(frozen=True)
class Trace:
    """The truth of a run, shape (samples, cells) each; current is that of the terminals.

    Attributes:
        elapsed_s: from one sample to the next.
    """

    elapsed_s: float
    voltage_v: Floats
    temperature_c: Floats
    core_c: Floats
    soc: Floats
    current_a: Floats


def rested(model: CellModel, soc: npt.ArrayLike, temperature_c: npt.ArrayLike) -> State:
    """Return cells at rest at an SOC each, all through at one temperature each."""
    soc_of, temperature = np.broadcast_arrays(
        np.atleast_1d(np.asarray(soc, np.float64)), np.asarray(temperature_c, np.float64)
    )
    numbers = np.column_stack([soc_of, np.zeros_like(soc_of), temperature, temperature])
    return State(numbers, np.zeros((len(soc_of), len(model.lag_s))))


def simulate(
    model: CellModel,
    cells: Cells,
    drive: Drive,
    state: State,
    *,
    faults: Sequence[CellFault] = (),
    every: int = 1,
    entropy_v_per_k: Values | None = None,
) -> tuple[Trace, State]:
    """Return what the cells do, and where they stand after it. Nothing is drawn by chance.

    Args:
        model: the make that all cells differ from.
        cells: how.
        drive: rows as the cells' string names them.
        state: at the start; left as it is.
        faults: at most one a cell.
        every: only each so-manieth sample is kept.
        entropy_v_per_k: dU/dT, evenly from empty to full; without it that of LFP on graphite.

    Raises:
        SimulationError: cells, state and drive do not fit one another.
        NumbaMissingError: numba is not installed.
    """
    try:
        from cell_lab.simulate.kernel import advance  # noqa: PLC0415 - compiles, needs numba
    except ModuleNotFoundError as error:
        raise NumbaMissingError from error
    _check(model, cells, drive, state)
    steps = drive.current_a.shape[1]
    shape = (cells.count, steps // every)
    out = tuple(np.empty(shape, np.float32) for _ in range(5))
    numbers, lagged = state.numbers.copy(), state.lagged_a.copy()
    make = (
        model.table.astype(np.float64),
        _axis(SOC_GRID),
        _axis(TEMPERATURE_GRID_C),
        model.kinetic,
        model.lag_s.astype(np.float64),
        float(model.kinetic_a),
        lfp_entropy() if entropy_v_per_k is None else entropy_v_per_k,
        (float(model.counting.capacity), float(model.counting.charge)),
    )
    drives = (
        np.ascontiguousarray(drive.current_a, np.float64),
        np.ascontiguousarray(drive.ambient_c, np.float64),
    )
    broken = fault_arrays(faults, cells.count, drive.step_s)
    advance(
        make, cells.arrays(), broken, (numbers, lagged), drives, float(drive.step_s), every, out
    )
    voltage, surface, core, soc, current = (array.T for array in out)
    trace = Trace(drive.step_s * every, voltage, surface, core, soc, current)
    return trace, State(numbers, lagged)


def _axis(grid: tuple[float, float, int]) -> tuple[float, float, float]:
    """Return where a grid begins, its step, and how many points it has."""
    low, high, count = grid
    return low, (high - low) / (count - 1), float(count)


def _check(model: CellModel, cells: Cells, drive: Drive, state: State) -> None:
    """Refuse what does not fit: the compiled loop does not look.

    Raises:
        SimulationError: with what is wrong.
    """
    if drive.current_a.ndim != _STRINGS_BY_STEPS or drive.ambient_c.shape != drive.current_a.shape:
        raise SimulationError(
            f"the drive's current has the shape {drive.current_a.shape}, its surroundings "
            f"{drive.ambient_c.shape}; both must be (strings, steps)"
        )
    if cells.count and not 0 <= cells.string.min() <= cells.string.max() < len(drive.current_a):
        raise SimulationError(
            f"cells name strings up to {cells.string.max()}; the drive has {len(drive.current_a)}"
        )
    if len(state.numbers) != cells.count:
        raise SimulationError(f"a state of {len(state.numbers)} cells for {cells.count} cells")
    terms = len(model.lag_s)
    if cells.resistance.shape != (cells.count, terms) or state.lagged_a.shape[1] != terms:
        raise SimulationError(f"cells or state are of another make: this one has {terms} terms")
    if not 0 < drive.step_s <= _LONGEST_STEP_S:
        raise SimulationError(
            f"a step of {drive.step_s:g} s; it must be above 0 and at most {_LONGEST_STEP_S:g}"
        )
