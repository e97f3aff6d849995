"""One make of cell: its open-circuit voltage, hysteresis, overpotentials and noise.

The terminal voltage of a cell at discharge current I (positive when discharging) is

    v = OCV(soc, T) - M(soc) h - sum over terms k of R_k(soc, T) phi_k

where h in -1..1 is the hysteresis state (Plett 2004, J. Power Sources 134, part 2) and phi_k is
the current, or the kinetic current, after a first-order lag. The kinetic current
c asinh(I / c) is the linearised inverse of the Butler-Volmer law with equal transfer
coefficients: in the cold a small current costs relatively more than a large one.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from station.estimators.errors import CellParametersError

Floats = npt.NDArray[np.float32]

_KELVIN = 273.15
_SOC_GRID = (-0.05, 1.05, 221)
"""The tables reach a little beyond empty and full, where a filter may stand for a moment."""
_TEMPERATURE_GRID_C = (-30.0, 65.0, 20)
NORMAL_90 = 1.645
"""Standard deviations to either side that hold 90 % of a normal distribution."""
INTERVAL_ZONES = (0.2, 0.9)
"""SOC between the zones that intervals are told apart by."""
OCV_COLUMN, HYSTERESIS_COLUMN, FIRST_TERM_COLUMN = 0, 1, 2


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0)]
Rising = Annotated[tuple[float, ...], Field(min_length=2)]


class OcvTable(_Strict):
    """Open-circuit voltage in V: one row for each temperature, one value for each SOC."""

    soc: Rising
    temperature_c: Annotated[tuple[float, ...], Field(min_length=1)]
    voltage_v: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _has_a_form(self) -> "OcvTable":
        _check_table("voltage_v", self.voltage_v, self.temperature_c, self.soc)
        return self


class Hysteresis(_Strict):
    """Half the distance of the charge from the discharge branch, and how fast it is crossed.

    Attributes:
        rate: the state comes nearer its end by the factor exp(-rate * |charge moved| / capacity).
        soc, voltage_v: half distance over SOC.
    """

    rate: Annotated[float, Field(ge=0)]
    soc: Rising
    voltage_v: tuple[float, ...]

    @model_validator(mode="after")
    def _has_a_form(self) -> "Hysteresis":
        _check_table("voltage_v", (self.voltage_v,), (0.0,), self.soc)
        return self


class Term(_Strict):
    """One overpotential: a resistance over temperature and SOC behind a lag.

    Attributes:
        current: which current drives it.
        lag_s: time constant of the lag; 0 follows at once.
        resistance_ohm: one row for each temperature, one value for each SOC.
    """

    current: Literal["linear", "kinetic"]
    lag_s: Annotated[float, Field(ge=0)]
    resistance_ohm: tuple[tuple[float, ...], ...]


class Overpotential(_Strict):
    """All terms, on the same grid.

    Attributes:
        kinetic_c_rate: the current c of the kinetic law, in multiples of the capacity per hour.
    """

    kinetic_c_rate: Positive
    soc: Rising
    temperature_c: Annotated[tuple[float, ...], Field(min_length=1)]
    terms: Annotated[tuple[Term, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_a_form(self) -> "Overpotential":
        if not any(term.current == "linear" and term.lag_s > 0 for term in self.terms):
            raise ValueError("terms need one of the linear current behind a lag")
        for number, term in enumerate(self.terms):
            _check_table(
                f"terms[{number}].resistance_ohm", term.resistance_ohm, self.temperature_c, self.soc
            )
        return self


class Counting(_Strict):
    """What of the charge that a sensor counts moves SOC, found from recordings under load.

    Attributes:
        capacity: by how much the capacity in use differs from the nominal one, as a share of it.
        charge: which share of the charge that goes in can be drawn again.
    """

    capacity: Annotated[float, Field(ge=0.9, le=1.1)] = 1.0
    charge: Annotated[float, Field(ge=0.95, le=1.0)] = 1.0


class Core(_Strict):
    """How much warmer than its thermometer a cell is inside, when it works hard.

    Attributes:
        k_per_w: mean of the cell above its surface, for each watt that it loses.
        lag_s: how long it takes.
    """

    k_per_w: Annotated[float, Field(ge=0)] = 0.0
    lag_s: Positive = 60.0


class Noise(_Strict):
    """How far the model and the sensors are to be trusted; found when the cell is identified.

    Attributes:
        current_bias_c_rate: standard deviation of the current sensor's offset.
        ocv_v: standard deviation of the error of the OCV table.
        ocv_soc_span: how far SOC moves until that error is another one.
        resistance: standard deviation of the relative error of the overpotential.
        resistance_s: how long that error lasts.
        voltage_v: error of one sample. Errors of neighbouring samples are not independent:
            this is the real scatter times the root of the samples that err together.
        overpotential: the same, as a share of the overpotential of the moment.
        soc_per_root_s: what the model does not explain of the change of SOC.
        soc_per_root_soc: the same, for each unit that SOC moves: capacities differ.
        unknown_load: what the time before a rack was first seen may have left in its slowest lag,
            against the current that it was first seen with, times the root of the samples that
            err together.
    """

    current_bias_c_rate: Positive
    ocv_v: Positive
    ocv_soc_span: Positive
    resistance: Positive
    resistance_s: Positive
    voltage_v: Positive
    overpotential: Annotated[float, Field(ge=0)]
    soc_per_root_s: Annotated[float, Field(ge=0)]
    soc_per_root_soc: Annotated[float, Field(ge=0)] = 0.0
    unknown_load: Annotated[float, Field(ge=0)] = 0.0


class IntervalGroup(IntEnum):
    """How a cell's SOC came to be known."""

    LOCATED = 0
    """A cold start's search has ended, and no end of the curve was seen since."""
    SEARCHING = 1
    """The search goes on."""
    ANCHORED = 2
    """An end of the curve was seen since the start."""


class Intervals(_Strict):
    """By how much errors exceed what the filter expects of itself, found where it could not know.

    Half the width of an interval is the standard deviation times the normal distribution's 1.645
    times this. Found at temperatures that the identification had not seen: where nine of ten
    errors then lay (split conformal: Vovk, Gammerman, Shafer 2005, ch. 2).

    Attributes:
        temperature_c: where it was found; beyond, the nearest counts.
        settled, searching, anchored: of each group of cells (`IntervalGroup`); what was settled
            counts for what is anchored where that is left out.
        zones: how many times that in the lowest fifth, the middle, and the highest tenth of SOC.
    """

    temperature_c: Annotated[tuple[float, ...], Field(min_length=1)]
    settled: tuple[Positive, ...]
    searching: tuple[Positive, ...]
    anchored: tuple[Positive, ...] | None = None
    zones: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _has_a_form(self) -> "Intervals":
        for name in ("settled", "searching", "anchored"):
            row = getattr(self, name)
            if row is not None:
                _check_table(name, (row,), (0.0,), self.temperature_c)
        return self


class CellParameters(_Strict):
    """A file of cell parameters.

    Attributes:
        make: what the type plate says.
        chemistry: of the positive electrode.
        capacity_ah: of a fresh cell, at the reference of its SOC.
        source: where the measurements come from, with their licence.
        intervals: left out for a make that was not tried: then the filter's own expectation counts.
    """

    make: str
    chemistry: Literal["LFP", "NMC", "NCA"]
    capacity_ah: Positive
    source: str
    ocv: OcvTable
    hysteresis: Hysteresis | None = None
    overpotential: Overpotential
    counting: Counting = Counting()
    core: Core = Core()
    noise: Noise
    intervals: Intervals | None = None


@dataclass(frozen=True)
class CellModel:
    """Cell parameters on a fine, regular grid, ready for many cells at a time.

    Attributes:
        table: shape (temperatures, SOC values, 2 + terms): OCV in V, hysteresis in V and one
            resistance in ohm for each term.
        kinetic: whether each term is driven by the kinetic current.
        lag_s: of each term.
    """

    make: str
    capacity_ah: float
    table: Floats
    kinetic: npt.NDArray[np.bool_]
    lag_s: Floats
    kinetic_a: float
    hysteresis_rate: float
    counting: Counting
    core: Core
    noise: Noise
    intervals: Intervals | None

    @property
    def slowest(self) -> int:
        """Number of the linear term with the longest lag: its current is that of minutes."""
        return int(np.argmax(np.where(self.kinetic, -1, self.lag_s)))

    @cached_property
    def store(self) -> "CellModel":
        """The make with one column: the integral of OCV over SOC from the table's low end, in V.

        Differences of it, times the capacity in Ah, are changes of the stored energy in Wh.
        """
        low, high, count = _SOC_GRID
        ocv = self.table[:, :, OCV_COLUMN].astype(np.float64)
        steps = (ocv[:, 1:] + ocv[:, :-1]) / 2 * (high - low) / (count - 1)
        stored = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
        return replace(self, table=stored[:, :, None].astype(np.float32))

    def interval_factor(
        self, group: npt.NDArray[np.intp], soc: Floats, temperature_c: Floats
    ) -> Floats:
        """Return by what the filter's own interval is multiplied, shape (cells,)."""
        known = self.intervals
        if known is None:
            return np.ones(len(soc), np.float32)
        anchored = known.settled if known.anchored is None else known.anchored
        rows = (known.settled, known.searching, anchored)
        by_group = [np.interp(temperature_c, known.temperature_c, row) for row in rows]
        zone = np.asarray(known.zones)[np.digitize(soc, INTERVAL_ZONES)]
        factor: Floats = (np.choose(group, by_group) * zone).astype(np.float32)
        return factor

    def look_up(self, soc: Floats, temperature_c: Floats) -> tuple[Floats, Floats]:
        """Return the table's rows of cells, and their slope over SOC.

        Args:
            soc: shape (cells,), a share of 1; beyond the grid its edge counts.
            temperature_c: shape (cells,); beyond the grid its edge counts.

        Returns:
            Two arrays of shape (2 + terms, cells): values, and values per unit of SOC.
        """
        temperature, temperature_share = _place(temperature_c, _TEMPERATURE_GRID_C)
        place, share = _place(soc, _SOC_GRID)
        low = self._between(temperature, place, temperature_share)
        high = self._between(temperature, place + 1, temperature_share)
        slope = high - low
        values = low + slope * share[:, None]
        low_soc, high_soc, count = _SOC_GRID
        return values.T, slope.T * np.float32((count - 1) / (high_soc - low_soc))

    def _between(
        self, temperature: npt.NDArray[np.intp], soc: npt.NDArray[np.intp], share: Floats
    ) -> Floats:
        below = self.table[temperature, soc]
        return below + (self.table[temperature + 1, soc] - below) * share[:, None]


def load_cell_parameters(path: Path) -> CellParameters:
    """Read a file of cell parameters.

    Raises:
        CellParametersError: the file is missing, is no TOML, or a key is missing or wrong.
    """
    try:
        return CellParameters.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise CellParametersError(path, error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CellParametersError(path, f"is no TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise CellParametersError(path, faults) from error


def build_cell_model(parameters: CellParameters) -> CellModel:
    """Return the parameters on the regular grid that the filter looks up.

    OCV goes linearly over temperature, resistances linearly over the inverse absolute
    temperature; beyond the measured temperatures the nearest measured one counts.
    """
    soc = np.linspace(*_SOC_GRID)
    grid_c = np.linspace(*_TEMPERATURE_GRID_C)
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
        capacity_ah=parameters.capacity_ah,
        table=np.stack(columns, axis=-1).astype(np.float32),
        kinetic=np.array([term.current == "kinetic" for term in over.terms]),
        lag_s=np.array([term.lag_s for term in over.terms], np.float32),
        kinetic_a=over.kinetic_c_rate * parameters.capacity_ah,
        hysteresis_rate=0.0 if hysteresis is None else hysteresis.rate,
        counting=parameters.counting,
        core=parameters.core,
        noise=parameters.noise,
        intervals=parameters.intervals,
    )


def _check_table(
    name: str, rows: Sequence[Sequence[float]], down: Sequence[float], across: Sequence[float]
) -> None:
    """Refuse a table whose form does not fit its axes.

    Raises:
        ValueError: with the table's name and both forms.
    """
    if len(rows) != len(down) or any(len(row) != len(across) for row in rows):
        found = f"{len(rows)} rows of {sorted({len(row) for row in rows})}"
        raise ValueError(f"{name} has {found} values, its axes have {len(down)} by {len(across)}")
    for axis in (down, across):
        if any(later <= earlier for earlier, later in pairwise(axis)):
            raise ValueError(f"{name}: its axes must rise")


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
