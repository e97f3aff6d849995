"""A file of cell parameters: what is measured of one make of cell, validated on load."""

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from station.estimators.errors import CellParametersError
from station.estimators.model_files import read_table

INTERVAL_ZONES = (0.2, 0.9)
"""SOC between the zones that intervals are told apart by."""


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
        temperature_c: what is told for; between two of them it goes linearly, beyond, the nearest
            counts. A make is well known at the temperatures that it was identified at, less
            between them, and least beyond.
        settled, searching, anchored: of each group of cells (`IntervalGroup`), a row for each
            zone of SOC (`INTERVAL_ZONES`): the lowest fifth, the middle, the highest tenth.
        floor: what no voltage resolves, a share of 1; added by squares.
    """

    temperature_c: Annotated[tuple[float, ...], Field(min_length=1)]
    settled: tuple[tuple[Positive, ...], ...]
    searching: tuple[tuple[Positive, ...], ...]
    anchored: tuple[tuple[Positive, ...], ...]
    floor: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _has_a_form(self) -> "Intervals":
        for name in ("settled", "searching", "anchored"):
            _check_table(name, getattr(self, name), (0.0, *INTERVAL_ZONES), self.temperature_c)
        return self

    def of(self, group: IntervalGroup) -> tuple[tuple[float, ...], ...]:
        """Return the rows of a group, one for each zone."""
        by_group = {
            IntervalGroup.LOCATED: self.settled,
            IntervalGroup.SEARCHING: self.searching,
            IntervalGroup.ANCHORED: self.anchored,
        }
        return by_group[group]


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


def load_cell_parameters(path: Path) -> CellParameters:
    """Read a file of cell parameters.

    Raises:
        CellParametersError: the file is missing, is no TOML, or a key is missing or wrong.
    """
    return read_table(path, CellParameters, CellParametersError)


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
