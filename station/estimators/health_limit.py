"""How fast a rack may still be charged and discharged, by the health of its cells.

A worn cell is slowed down before it is damaged: the limit of a rack is the full one times a share
that falls with capacity lost and with resistance gained, of the cell that asks for most caution.
An estimate that is sure counts by the cautious end of its interval, one that is not by the other:
of 400 cells that nobody has measured yet, one always seems worn, and a rack of new cells would be
slowed for it. The curves are data (data/battery/health-derating.toml), to be replaced by those of
the maker.
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
    """The curves of both directions, and how narrow half of an interval is that is sure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge: HealthCurve
    discharge: HealthCurve
    sure_soh: Annotated[float, Field(gt=0)]
    sure_resistance: Annotated[float, Field(gt=0)]


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
    by_rack: ByRack,
    soh: tuple[Floats, Floats],
    resistance: tuple[Floats, Floats],
) -> HealthLimit:
    """Return which share of the full current is left to each rack.

    Args:
        curves: of both directions.
        by_rack: where the racks' cells are.
        soh: capacity against nominal, and the half width of its interval, shape (cells,); a cell
            of which it is not known (NaN) is not held back by it.
        resistance: the same, against new.
    """
    worn = soh[0] - _held_against(soh[1], curves.sure_soh)
    worn = np.where(np.isnan(worn), np.inf, worn)
    slow = resistance[0] + _held_against(resistance[1], curves.sure_resistance)
    slow = np.where(np.isnan(slow), 0, slow)
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


def _held_against(half_width: Floats, sure: float) -> Floats:
    """Return what is held against cells: a part of an interval that is sure, else its mild end."""
    return np.where(half_width <= sure, _LOOKS_BACK * half_width, -half_width)
