"""A fast simulator of cells: circuit, hysteresis, heat, ageing, faults, sensors, duties."""

from cell_lab.simulate.ageing import Stress, Wear, age, fresh, stress_of, worn
from cell_lab.simulate.cells import (
    OF_MANY_MAKES,
    OF_ONE_DELIVERY,
    Cells,
    Spread,
    draw_cells,
    nominal_cells,
)
from cell_lab.simulate.duties import STATIONARY, drive_like, random_duty, stationary
from cell_lab.simulate.faults import CellFault, FaultKind
from cell_lab.simulate.run import Drive, State, Trace, rested, simulate
from cell_lab.simulate.sensors import (
    Readings,
    SensorFault,
    SensorFaultKind,
    Sensors,
    sense,
)

__all__ = [
    "OF_MANY_MAKES",
    "OF_ONE_DELIVERY",
    "STATIONARY",
    "CellFault",
    "Cells",
    "Drive",
    "FaultKind",
    "Readings",
    "SensorFault",
    "SensorFaultKind",
    "Sensors",
    "Spread",
    "State",
    "Stress",
    "Trace",
    "Wear",
    "age",
    "draw_cells",
    "drive_like",
    "fresh",
    "nominal_cells",
    "random_duty",
    "rested",
    "sense",
    "simulate",
    "stationary",
    "stress_of",
    "worn",
]
