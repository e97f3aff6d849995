"""How fast a rack may still be charged and discharged, by the health of its cells.

A worn cell is slowed down before it is damaged: the limit of a rack is the full one times a share
that falls with capacity lost and with resistance gained, of the cell that asks for most caution.
Estimates that are not sure count by the cautious end of their interval, but never by so much that
a rack of new cells would be slowed only because nobody has measured it yet. The curves are data
(data/battery/health-derating.toml), to be replaced by the maker's.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from station.estimators.by_rack import ByRack
from station.estimators.cell_model import Floats
from station.estimators.errors import HealthCurveError
from station.estimators.model_files import read_table
from station.estimators.samples import Indices

Share = Annotated[float, Field(ge=0, le=1)]
_LOOKS_BACK = 0.5
"""So much of the half width is held against a cell; the rest would punish not knowing."""


class HealthCurve(BaseModel):
    """Shares of the full current over SOH and over resistance against new; the smaller counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    soh: Annotated[tuple[float, ...], Field(min_length=2)]
    share: tuple[Share, ...]
    resistance: Annotated[tuple[float, ...], Field(min_length=2)]
    resistance_share: tuple[Share, ...]

    @model_validator(mode="after")
    def _has_a_form(self) -> "HealthCurve":
        for name, axis, shares, rises in (
            ("share", self.soh, self.share, True),
            ("resistance_share", self.resistance, self.resistance_share, False),
        ):
            if len(axis) != len(shares) or any(b <= a for a, b in pairwise(axis)):
                raise ValueError(f"{name} must have one value for each of a rising row")
            ordered = shares if rises else shares[::-1]
            if any(b < a for a, b in pairwise(ordered)):
                raise ValueError(f"{name} must not grow as a cell ages")
        return self


class HealthCurves(BaseModel):
    """The curves of both directions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge: HealthCurve
    discharge: HealthCurve


@dataclass(frozen=True)
class HealthLimit:
    """What is left of the full current, and by which cell; shape (racks,) each.

    Attributes:
        charge, discharge: shares, 0..1.
        charge_cell, discharge_cell: numbers from 1 in the rack; 0 where nothing is taken away.
    """

    charge: Floats
    discharge: Floats
    charge_cell: Floats
    discharge_cell: Floats


def load_health_curves(path: Path) -> HealthCurves:
    """Read a file of curves.

    Raises:
        HealthCurveError: the file is missing, is no TOML, or a key is missing or wrong.
    """
    return read_table(path, HealthCurves, HealthCurveError)


def health_current_limit(
    curves: HealthCurves,
    rack: Indices,
    soh: tuple[Floats, Floats],
    resistance: tuple[Floats, Floats],
) -> HealthLimit:
    """Return which share of the full current is left to each rack.

    Args:
        curves: of both directions.
        rack: of each cell, ascending, shape (cells,).
        soh: capacity against nominal, and the half width of its interval, shape (cells,); a cell
            of which it is not known (NaN) is not held back by it.
        resistance: the same, against new.
    """
    by_rack = ByRack.of(rack)
    worn = np.where(np.isnan(soh[0]), np.inf, soh[0] - _LOOKS_BACK * np.nan_to_num(soh[1]))
    slow = resistance[0] + _LOOKS_BACK * np.nan_to_num(resistance[1])
    slow = np.where(np.isnan(resistance[0]), 0, slow)
    found = []
    for curve in (curves.charge, curves.discharge):
        share = np.minimum(
            np.interp(worn, curve.soh, curve.share),
            np.interp(slow, curve.resistance, curve.resistance_share),
        ).astype(np.float32)
        place = by_rack.place_of_least(share)
        left = share[place]
        found.append((left, np.where(left < 1, by_rack.from_one(place), 0).astype(np.float32)))
    (charge, charge_cell), (discharge, discharge_cell) = found
    return HealthLimit(charge, discharge, charge_cell, discharge_cell)
