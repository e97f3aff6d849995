"""Which make of cell a recording is of: by its name, or by what repeats its voltage best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cell_lab.drives import hysteresis, kinetic, lag
from cell_lab.errors import NoParametersError
from cell_lab.parameter_files import CELLS, parameters_of
from cell_lab.recordings import Recording, Series
from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
    build_cell_model,
)
from station.estimators.cell_parameters import CellParameters, load_cell_parameters

DOES_NOT_FIT_V = 0.08
"""A make that is off by so much (rms) is another one: those that fit reach 2 to 30 mV."""
_MOST = 6
"""So many recordings of a cell decide."""
_FULL, _EMPTY = 0.95, 0.1
"""At the ends even a make's own parameters are off: they do not decide."""


@dataclass(frozen=True)
class Choice:
    """The parameters for a cell, how they were found, and how well they repeat its voltage.

    Attributes:
        parameters: of the make.
        by_name: whether the cell's name named it.
        misfit_v: root mean square of measured minus expected voltage at the true SOC, in V.
    """

    parameters: CellParameters
    by_name: bool
    misfit_v: float

    @property
    def fits(self) -> bool:
        """Whether the cell can be of that make."""
        return self.misfit_v <= DOES_NOT_FIT_V


def choose_make(cell: str, recordings: Sequence[Recording]) -> Choice:
    """Return the make whose file name begins the cell's name, else the one that fits best.

    Raises:
        NoParametersError: there are no makes at hand.
        CellParametersError: a file of a make is wrong.
    """
    try:
        named = parameters_of(cell)
    except NoParametersError:
        candidates = [load_cell_parameters(path) for path in sorted(CELLS.glob("*.toml"))]
        if not candidates:
            raise
        choices = [given(parameters, recordings) for parameters in candidates]
        return min(choices, key=lambda choice: choice.misfit_v)
    return Choice(named, by_name=True, misfit_v=misfit_v(build_cell_model(named), recordings))


def given(parameters: CellParameters, recordings: Sequence[Recording]) -> Choice:
    """Return a make that was not named, with how well it fits."""
    misfit = misfit_v(build_cell_model(parameters), recordings)
    return Choice(parameters, by_name=False, misfit_v=misfit)


def misfit_v(model: CellModel, recordings: Sequence[Recording]) -> float:
    """Return by how much the voltage is missed at the true SOC, root mean square in V."""
    loaded = [recording for recording in recordings if not recording.slow] or list(recordings)
    every = max(1, -(-len(loaded) // _MOST))
    squares = np.concatenate([_missed_v(model, recording) ** 2 for recording in loaded[::every]])
    return float(np.sqrt(squares.mean())) if len(squares) else 0.0


def _missed_v(model: CellModel, recording: Recording) -> Series:
    drives = (recording.current_a, kinetic(recording.current_a, model.kinetic_a))
    lagged = np.stack(
        [
            lag(drives[int(is_kinetic)], recording.elapsed_s, float(lag_s))
            for is_kinetic, lag_s in zip(model.kinetic, model.lag_s, strict=True)
        ]
    )
    values, _ = model.look_up(
        recording.soc.astype(np.float32), recording.temperature_c.astype(np.float32)
    )
    branch = hysteresis(recording, model.hysteresis_rate) if model.hysteresis_rate else 0.0
    expected = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * branch
    expected = expected - (values[FIRST_TERM_COLUMN:] * lagged).sum(axis=0)
    counts = (recording.soc > _EMPTY) & (recording.soc < _FULL)
    missed: Series = (recording.voltage_v - expected)[counts]
    return missed
