"""One make of cell: its open-circuit voltage, hysteresis, overpotentials and noise.

The terminal voltage of a cell at discharge current I (positive when discharging) is

    v = OCV(soc, T) - M(soc) h - sum over terms k of R_k(soc, T) phi_k

where h in -1..1 is the hysteresis state (Plett 2004, J. Power Sources 134, part 2) and phi_k is
the current, or the kinetic current, after a first-order lag. The kinetic current
c asinh(I / c) is the linearised inverse of the Butler-Volmer law with equal transfer
coefficients: in the cold a small current costs relatively more than a large one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from station.estimators.cell_parameters import (
    INTERVAL_ZONES,
    CellParameters,
    Core,
    Counting,
    IntervalGroup,
    Intervals,
    Noise,
)

Floats = npt.NDArray[np.float32]

_KELVIN = 273.15
SOC_GRID = (-0.05, 1.05, 221)
"""The tables reach a little beyond empty and full, where a filter may stand for a moment."""
TEMPERATURE_GRID_C = (-30.0, 65.0, 20)
NORMAL_90 = 1.645
"""Standard deviations to either side that hold 90 % of a normal distribution."""
OCV_COLUMN, HYSTERESIS_COLUMN, FIRST_TERM_COLUMN = 0, 1, 2


@dataclass(frozen=True)
class CellModel:
    """Cell parameters on a fine, regular grid, ready for many cells at a time.

    Attributes:
        table: shape (temperatures, SOC values, 2 + terms): OCV in V, hysteresis in V and one
            resistance in ohm for each term.
        kinetic: whether each term is driven by the kinetic current.
        lag_s: of each term.
        interval_times: shape (groups, zones of SOC, temperatures): by what the filter's own
            interval is multiplied; interval_floor: what is added by squares, a share of 1.
    """

    make: str
    chemistry: str
    capacity_ah: float
    table: Floats
    kinetic: npt.NDArray[np.bool_]
    lag_s: Floats
    kinetic_a: float
    hysteresis_rate: float
    counting: Counting
    core: Core
    noise: Noise
    interval_times: Floats
    interval_floor: float

    @property
    def slowest(self) -> int:
        """Number of the linear term with the longest lag: its current is that of minutes."""
        return int(np.argmax(np.where(self.kinetic, -1, self.lag_s)))

    @cached_property
    def store(self) -> "CellModel":
        """The make with one column: the integral of OCV over SOC from the table's low end, in V.

        Differences of it, times the capacity in Ah, are changes of the stored energy in Wh.
        """
        low, high, count = SOC_GRID
        ocv = self.table[:, :, OCV_COLUMN].astype(np.float64)
        steps = (ocv[:, 1:] + ocv[:, :-1]) / 2 * (high - low) / (count - 1)
        stored = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
        return replace(self, table=stored[:, :, None].astype(np.float32))

    def interval_factor(
        self, group: npt.NDArray[np.intp], soc: Floats, temperature_c: Floats
    ) -> Floats:
        """Return by what the filter's own interval is multiplied, shape (cells,)."""
        zone = np.digitize(soc, INTERVAL_ZONES)
        place, share = _place(temperature_c, TEMPERATURE_GRID_C)
        low = self.interval_times[group, zone, place]
        times: Floats = low + (self.interval_times[group, zone, place + 1] - low) * share
        return times

    def look_up(self, soc: Floats, temperature_c: Floats) -> tuple[Floats, Floats]:
        """Return the table's rows of cells, and their slope over SOC.

        Args:
            soc: shape (cells,), a share of 1; beyond the grid its edge counts.
            temperature_c: shape (cells,); beyond the grid its edge counts.

        Returns:
            Two arrays of shape (2 + terms, cells): values, and values per unit of SOC.
        """
        temperature, temperature_share = _place(temperature_c, TEMPERATURE_GRID_C)
        place, share = _place(soc, SOC_GRID)
        row = temperature * self.table.shape[1] + place
        low = self._between(row, temperature_share)
        high = self._between(row + 1, temperature_share)
        slope = high - low
        values = low + slope * share[:, None]
        low_soc, high_soc, count = SOC_GRID
        return values.T, slope.T * np.float32((count - 1) / (high_soc - low_soc))

    @cached_property
    def _rows(self) -> Floats:
        """The table with one row after the other, temperature by temperature."""
        return np.ascontiguousarray(self.table.reshape(-1, self.table.shape[2]))

    def _between(self, row: npt.NDArray[np.intp], share: Floats) -> Floats:
        """Return rows of the table, by `share` towards those of the next temperature."""
        below = self._rows.take(row, axis=0)
        between: Floats = self._rows.take(row + self.table.shape[1], axis=0)
        between -= below
        between *= share[:, None]
        between += below
        return between


def build_cell_model(parameters: CellParameters) -> CellModel:
    """Return the parameters on the regular grid that the filter looks up.

    OCV goes linearly over temperature, resistances linearly over the inverse absolute
    temperature; beyond the measured temperatures the nearest measured one counts.
    """
    soc = np.linspace(*SOC_GRID)
    grid_c = np.linspace(*TEMPERATURE_GRID_C)
    over = parameters.overpotential
    ocv = _spread(parameters.ocv.voltage_v, parameters.ocv.soc, soc)
    columns = [_over_temperature(ocv, np.asarray(parameters.ocv.temperature_c), grid_c)]
    hysteresis = parameters.hysteresis
    half = np.zeros_like(soc)
    if hysteresis is not None:
        half = np.interp(soc, hysteresis.soc, hysteresis.voltage_v)
    columns.append(np.broadcast_to(half, columns[0].shape))
    for term in over.terms:
        resistance = _spread(term.resistance_ohm, over.soc, soc)
        known = -1.0 / (np.asarray(over.temperature_c) + _KELVIN)
        columns.append(_over_temperature(resistance, known, -1.0 / (grid_c + _KELVIN)))
    return CellModel(
        make=parameters.make,
        chemistry=parameters.chemistry,
        capacity_ah=parameters.capacity_ah,
        table=np.stack(columns, axis=-1).astype(np.float32),
        kinetic=np.array([term.current == "kinetic" for term in over.terms]),
        lag_s=np.array([term.lag_s for term in over.terms], np.float32),
        kinetic_a=over.kinetic_c_rate * parameters.capacity_ah,
        hysteresis_rate=0.0 if hysteresis is None else hysteresis.rate,
        counting=parameters.counting,
        core=parameters.core,
        noise=parameters.noise,
        interval_times=_interval_times(parameters.intervals, grid_c),
        interval_floor=0.0 if parameters.intervals is None else parameters.intervals.floor,
    )


def _interval_times(known: Intervals | None, grid_c: npt.NDArray[np.float64]) -> Floats:
    """Return the intervals' table on the regular grid; all 1 for a make that was not tried."""
    if known is None:
        shape = (len(IntervalGroup), len(INTERVAL_ZONES) + 1, len(grid_c))
        return np.ones(shape, np.float32)
    rows = [
        [np.interp(grid_c, known.temperature_c, row) for row in known.of(group)]
        for group in IntervalGroup
    ]
    return np.array(rows, np.float32)


def _place(values: Floats, grid: tuple[float, float, int]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the grid place below each value and how far it is to the next, 0..1."""
    low, high, count = grid
    scaled = (values - np.float32(low)) * np.float32((count - 1) / (high - low))
    np.clip(scaled, 0.0, count - 1.001, out=scaled)
    place = scaled.astype(np.intp)
    return place, scaled - place.astype(np.float32)


def _spread(
    rows: Sequence[Sequence[float]], known_soc: Sequence[float], soc: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.stack([np.interp(soc, known_soc, row) for row in rows])


def _over_temperature(
    rows: npt.NDArray[np.float64], known: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.stack([np.interp(wanted, known, column) for column in rows.T], axis=1)
