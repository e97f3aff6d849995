"""Drives that the tests of the simulator share."""

import numpy as np

from cell_lab.parameter_files import parameters_of
from cell_lab.simulate import Drive
from station.estimators import CellModel, build_cell_model


def a_make(name: str = "esc26650") -> CellModel:
    """A make that the house knows."""
    return build_cell_model(parameters_of(name))


def steady(current_a: float, hours: float, ambient_c: float = 25.0, step_s: float = 1.0) -> Drive:
    """One string at one current."""
    current = np.full((1, round(hours * 3600 / step_s)), float(current_a))
    return Drive(current, np.full(current.shape, ambient_c), step_s)
