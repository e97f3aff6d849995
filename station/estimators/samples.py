"""What the estimators see of a moment: the readings of racks and of the cells in them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import Floats

Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Samples:
    """One moment of all racks of one make of cell. Discharge is positive.

    Attributes:
        elapsed_s: since the samples before, shape (racks,); 0 where a rack has none.
        current_a: of one cell (the rack's current over its parallel cells), shape (racks,).
        current_good: whether that can be believed, shape (racks,).
        voltage_v, temperature_c: shape (cells,).
        voltage_good: whether voltage and temperature can be believed, shape (cells,).
        mean_a: mean current since the samples before, shape (racks,), where it was seen more often
            than voltages were; None: `current_a` stands for the time since then.
        together: whether the current was read in the same second as most racks' of the converter,
            so that they can be compared, shape (racks,); None: all were.
    """

    elapsed_s: Floats
    current_a: Floats
    current_good: Flags
    voltage_v: Floats
    temperature_c: Floats
    voltage_good: Flags
    mean_a: Floats | None = None
    together: Flags | None = None

    @property
    def moved_a(self) -> Floats:
        """The current that has moved the charge since the samples before, shape (racks,)."""
        return self.current_a if self.mean_a is None else self.mean_a
