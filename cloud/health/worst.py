"""The worst cells of a station: least SOH, most resistance, far from the rack's SOC, or odd."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.history import CellsAt

Floats = NDArray[np.float64]


class By(StrEnum):
    """What makes a cell worse than another."""

    SOH = "soh"
    RESISTANCE = "resistance"
    SOC = "soc"
    ANOMALY = "anomaly"


@dataclass(frozen=True)
class WorstCell:
    """One cell; figures are shares of one, None where they are not known.

    Attributes:
        rack, cell: where it is, counted from 1.
        at_ms: when it was estimated.
        soc_off: distance from the median SOC of its rack.
    """

    rack: str
    cell: int
    at_ms: int
    soh: float | None
    soh_half_width: float | None
    resistance_ratio: float | None
    soc_off: float | None
    anomaly_score: float | None


def _off(cells: CellsAt) -> Floats:
    soc = cells.values["cell_soc"]
    return soc - np.nanmedian(soc) if np.isfinite(soc).any() else soc


_BADNESS: Final[Mapping[By, Callable[[CellsAt], Floats]]] = MappingProxyType(
    {
        By.SOH: lambda cells: -cells.values["cell_soh"],
        By.RESISTANCE: lambda cells: cells.values["cell_resistance_ratio"],
        By.SOC: lambda cells: np.abs(_off(cells)),
        By.ANOMALY: lambda cells: cells.values["cell_anomaly_score"],
    }
)


def worst(racks: Sequence[CellsAt], by: By, limit: int) -> list[WorstCell]:
    """Return the `limit` worst cells of all racks, the worst first; unknown ones are left out."""
    found = [one for cells in racks for one in _worst_of(cells, by, limit)]
    found.sort(key=lambda one: -one[0])
    return [_told(cells, i) for _, cells, i in found[:limit]]


def _worst_of(cells: CellsAt, by: By, limit: int) -> list[tuple[float, CellsAt, int]]:
    badness = _BADNESS[by](cells)
    known = np.flatnonzero(np.isfinite(badness))
    order = known[np.argsort(-badness[known], kind="stable")][:limit]
    return [(float(badness[i]), cells, int(i)) for i in order]


def _told(cells: CellsAt, i: int) -> WorstCell:
    def known(values: Floats) -> float | None:
        return round(float(values[i]), 4) if np.isfinite(values[i]) else None

    return WorstCell(
        rack=cells.device,
        cell=i + 1,
        at_ms=cells.at_ms,
        soh=known(cells.values["cell_soh"]),
        soh_half_width=known(cells.values["cell_soh_half_width"]),
        resistance_ratio=known(cells.values["cell_resistance_ratio"]),
        soc_off=known(_off(cells)),
        anomaly_score=known(cells.values["cell_anomaly_score"]),
    )
