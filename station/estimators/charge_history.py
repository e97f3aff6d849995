"""What is kept of the ends of a rack's charges: as much as the SOH model looks back at, no more.

The model sees means over the last charges, up to a hundred, and the cell's own first ones
(soh_features.py). This is the same for all cells of a rack at once, charge after charge; its
newest row is that of `causal_inputs` over the whole history.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import Floats
from station.estimators.samples import Flags
from station.estimators.soh_features import CHARGE_END, FIRST_CYCLES, WINDOWS, Inputs, Series

LONGEST = max(WINDOWS)
HELD_AT_MOST = 20
"""For so many charges a cell that tells nothing is taken to be as it was last."""


@dataclass(frozen=True)
class ChargeRecord:
    """Charges of one rack.

    Attributes:
        count: how many were seen, the newest included.
        first: of the first of them, shape (up to FIRST_CYCLES, cells, 16).
        last: of the newest, in the order of time, shape (up to LONGEST, cells, 16).
        silent: charges since each cell last told a number, shape (cells,).

    A number that is missing is the cell's last before it, NaN where there was none.
    """

    count: int
    first: Floats
    last: Floats
    silent: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, cells: int) -> Self:
        """Return the record before any charge."""
        none = np.zeros((0, cells, len(CHARGE_END)), np.float32)
        return cls(0, none, none, np.full(cells, HELD_AT_MOST + 1, np.int32))

    def after(self, numbers: Series) -> Self:
        """Return the record after one more charge; numbers have shape (cells, 16), NaN: missing."""
        told = np.isfinite(numbers)
        before = self.last[-1] if self.count else np.full_like(numbers, np.nan)
        now = np.where(told, numbers, before).astype(np.float32)[None]
        first = self.first if self.count >= FIRST_CYCLES else np.concatenate([self.first, now])
        silent = np.where(told.any(axis=1), 0, self.silent + 1).astype(np.int32)
        last = np.concatenate([self.last[-(LONGEST - 1) :], now])
        return type(self)(self.count + 1, first, last, silent)

    @property
    def tells(self) -> Flags:
        """Which cells have told something lately, shape (cells,)."""
        return self.silent <= HELD_AT_MOST

    def inputs(self, before_first: Series) -> Inputs:
        """Return what the model is given of each cell's newest charge, shape (cells, INPUTS).

        Args:
            before_first: stands in for numbers that were never measured, shape (16,).
        """
        last, first = (
            np.where(np.isnan(part), before_first, part) for part in (self.last, self.first)
        )
        means = [last[-window:].mean(axis=0) for window in WINDOWS]
        at_first = first.mean(axis=0)
        moved = [means[0] - at_first, means[1] - at_first]
        cycle = np.full((last.shape[1], 1), float(self.count - 1))
        return np.hstack([last[-1], *means, *moved, at_first, cycle]).astype(np.float32)
