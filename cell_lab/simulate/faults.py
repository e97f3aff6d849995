"""What goes wrong in a cell on purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cell_lab.simulate.cells import Numbers, Values


class FaultKind(IntEnum):
    """What the size of a fault means; the numbers are the kernel's."""

    NONE = 0
    INTERNAL_SHORT = 1
    """Size: ohm of the shunt at its end; it grows over the ramp as its conductance."""
    LOOSE_CONNECTION = 2
    """Size: ohm added to the joint."""
    TEMPERATURE_JUMP = 3
    """Size: W of heat in the core, for as long as the ramp."""
    COOLING_LOSS = 4
    """Size: share of the conductance to the surroundings that is lost, 0..1."""
    CAPACITY_LOSS = 5
    """Size: share of the capacity that is lost, 0..1."""


@dataclass(frozen=True)
class CellFault:
    """A fault of one cell; it begins at a time since the first sample and grows over a ramp."""

    cell: int
    kind: FaultKind
    size: float
    at_s: float
    ramp_s: float = 0.0


FaultArrays = tuple[Numbers, Values, Values, Values]


def fault_arrays(faults: Sequence[CellFault], cells: int, step_s: float) -> FaultArrays:
    """Return kind, first step, steps of the ramp and size of each cell, shape (cells,) each.

    Raises:
        ValueError: a cell has two faults, or there is no such cell.
    """
    kind = np.zeros(cells, np.int64)
    first, ramp, size = np.zeros(cells), np.zeros(cells), np.zeros(cells)
    for fault in faults:
        if not 0 <= fault.cell < cells:
            raise ValueError(f"a fault of cell {fault.cell}: there are {cells} cells, from 0 on")
        if kind[fault.cell]:
            raise ValueError(f"cell {fault.cell} has two faults; a cell can have one at a time")
        kind[fault.cell] = fault.kind
        first[fault.cell] = round(fault.at_s / step_s)
        ramp[fault.cell], size[fault.cell] = fault.ramp_s / step_s, fault.size
    return kind, first, ramp, size
