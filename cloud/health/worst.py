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
        stands_out: further from the median of its rack, by the figure asked for, than half of its
            interval.
    """

    rack: str
    cell: int
    at_ms: int
    soh: float | None
    soh_half_width: float | None
    resistance_ratio: float | None
    soc_off: float | None
    anomaly_score: float | None
    stands_out: bool


@dataclass(frozen=True)
class Worst:
    """The worst cells, and whether there is anything in them.

    Attributes:
        cells: the worst first.
        standing_out: how many cells of the station stand out by this figure.
        half_width: the median of all half widths of the figure; None where it has none.
    """

    cells: list[WorstCell]
    standing_out: int
    half_width: float | None


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


_WIDTHS: Final[Mapping[By, str]] = MappingProxyType(
    {
        By.SOH: "cell_soh_half_width",
        By.RESISTANCE: "cell_resistance_half_width",
        By.SOC: "cell_soc_half_width",
    }
)
_ODD: Final = 0.5
"""A score has no interval; this is half way to a cell that is unlike any other."""


def worst(racks: Sequence[CellsAt], by: By, limit: int) -> Worst:
    """Return the `limit` worst cells of all racks, the worst first; unknown ones are left out."""
    found = [one for cells in racks for one in _worst_of(cells, by, limit)]
    found.sort(key=lambda one: -one[0])
    odd = {cells.device: _stands_out(cells, by) for cells in racks}
    told = [_told(cells, i, stands_out=bool(odd[cells.device][i])) for _, cells, i in found[:limit]]
    widths = [cells.values[_WIDTHS[by]] for cells in racks if _WIDTHS.get(by) in cells.values]
    known = np.concatenate([np.zeros(0), *widths])
    known = known[np.isfinite(known)]
    return Worst(
        told,
        standing_out=sum(int(found.sum()) for found in odd.values()),
        half_width=round(float(np.median(known)), 4) if known.size else None,
    )


def _stands_out(cells: CellsAt, by: By) -> NDArray[np.bool_]:
    """Return which cells are worse than their rack's median by more than is uncertain of them."""
    badness = _BADNESS[by](cells)
    if by is By.ANOMALY:
        return badness >= _ODD
    half = cells.values.get(_WIDTHS[by])
    if half is None or not np.isfinite(badness).any():
        return np.zeros(badness.shape, dtype=np.bool_)
    usual = 0.0 if by is By.SOC else np.nanmedian(badness)
    return badness - usual > half


def _worst_of(cells: CellsAt, by: By, limit: int) -> list[tuple[float, CellsAt, int]]:
    badness = _BADNESS[by](cells)
    known = np.flatnonzero(np.isfinite(badness))
    order = known[np.argsort(-badness[known], kind="stable")][:limit]
    return [(float(badness[i]), cells, int(i)) for i in order]


def _told(cells: CellsAt, i: int, *, stands_out: bool) -> WorstCell:
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
        stands_out=stands_out,
    )
