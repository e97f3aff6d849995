"""How far the filter's word about SOC is to be trusted: the width of each cell's interval.

The filter tells a standard deviation. Where it could not know better it errs by more than that,
so that the width is multiplied by what errors came to at temperatures that a make was tried at
(grouped split conformal: Vovk, Gammerman, Shafer 2005, ch. 4), and by two things that a station
sees of itself:

- the part of the voltage that the filter ascribes to its own table grows beyond what was expected
  of the table: then the table is wrong, and so may SOC be;
- corrections. Whenever half of what was unknown of SOC has been resolved by voltages, as at a
  knee of the curve, the sum of the corrections since the last time shows how far off SOC was.
  An error beyond its interval widens the cell's intervals, one within takes a ninth of that back,
  until nine in ten lie within (adaptive conformal inference: Gibbs and Candes 2021, NeurIPS 34).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import NORMAL_90, CellModel, Floats
from station.estimators.cell_parameters import IntervalGroup
from station.estimators.samples import Flags
from station.estimators.soc_filter import (
    OCV_ERROR,
    RESISTANCE_ERROR,
    SOC,
    FilterState,
    Innovation,
)

_MISSES = 0.1
_LEARNS = 0.15
_WIDEST = 1.5
"""Corrections only widen, at most so far: errors that no voltage shows must not narrow."""
_RESOLVED = 0.5
_UPPER_KNEE, _LOWER_KNEE = 0.95, 0.08
_ANCHOR_SD = 0.01
_ANCHOR_AFTER_S = 60.0
_MOST_SURPRISED = 6.0
_DOUBTFUL_TABLE, _DOUBTFUL_RESISTANCE = 6.0, 4.0
"""Standard deviations: what two makes of the same chemistry may differ by stays below."""
_DOUBTFUL_AFTER_S = 600.0


@dataclass(frozen=True)
class TrustState:
    """What is remembered of how the filter's word came out, 11 bytes a cell.

    Attributes:
        correction, resolved: sum of the corrections of SOC, and of the variance that they took
            away, since half of what was unknown was last resolved, shape (cells,).
        log_width: natural logarithm of what the cell's own corrections widen it by.
        anchored: whether an end of the curve was seen since the cell's start.
    """

    correction: Floats
    resolved: Floats
    log_width: npt.NDArray[np.float16]
    anchored: Flags


def nothing_learnt(cells: int) -> TrustState:
    """Return the state before the first samples."""
    return TrustState(
        correction=np.zeros(cells, np.float32),
        resolved=np.zeros(cells, np.float32),
        log_width=np.zeros(cells, np.float16),
        anchored=np.zeros(cells, bool),
    )


def learn(  # noqa: PLR0917 - the parts of one moment
    model: CellModel,
    state: TrustState,
    settled: FilterState,
    innovation: Innovation,
    temperature_c: Floats,
    searching: Flags,
) -> TrustState:
    """Take what one moment's voltages said of the SOC that was expected.

    Args:
        model: the make of all cells.
        state: before the moment.
        settled: of the filter, after the moment.
        innovation: of the moment.
        temperature_c: shape (cells,).
        searching: cells whose cold start still searches: they learn nothing yet.
    """
    soc, variance = settled.mean[SOC], settled.soc_variance
    sure = (variance < _ANCHOR_SD**2) & (settled.seen_s > _ANCHOR_AFTER_S)
    anchored = state.anchored | (sure & ((soc > _UPPER_KNEE) | (soc < _LOWER_KNEE)))
    correction = np.where(searching, 0, state.correction + innovation.soc_shift)
    resolved = np.where(searching, 0, state.resolved + innovation.soc_resolved)
    due = resolved > _RESOLVED / (1 - _RESOLVED) * variance
    log_width = state.log_width
    if due.any():
        expected = np.sqrt(resolved / np.maximum(variance, 1e-10))
        half = half_width(model, state, settled, temperature_c, searching) * expected
        missed = np.abs(correction) > half
        learnt = log_width.astype(np.float32) + np.where(due, _LEARNS * (missed - _MISSES), 0)
        log_width = np.clip(learnt, 0, _WIDEST).astype(np.float16)
    return TrustState(
        correction=np.where(due, 0, correction).astype(np.float32),
        resolved=np.where(due, 0, resolved).astype(np.float32),
        log_width=log_width,
        anchored=anchored,
    )


def half_width(
    model: CellModel,
    state: TrustState,
    settled: FilterState,
    temperature_c: Floats,
    searching: Flags,
) -> Floats:
    """Return half the width of the interval that is to hold SOC nine times in ten."""
    width = expected_half_width(model, settled) * np.exp(state.log_width.astype(np.float32))
    group = groups_of(state, searching)
    width *= model.interval_factor(group, settled.mean[SOC], temperature_c)
    half: Floats = np.sqrt(width * width + np.float32(model.interval_floor**2))
    return half


def doubtful(model: CellModel, settled: FilterState) -> Flags:
    """Return which cells' voltages do not look like those of their make, shape (cells,).

    A filter with the parameters of another make or chemistry ascribes what it cannot explain to
    its table or to the resistance, far beyond what was expected of either.
    """
    noise = model.noise
    off = np.abs(settled.mean[OCV_ERROR]) > _DOUBTFUL_TABLE * noise.ocv_v
    off |= np.abs(settled.mean[RESISTANCE_ERROR]) > _DOUBTFUL_RESISTANCE * noise.resistance
    strange: Flags = off & (settled.seen_s > _DOUBTFUL_AFTER_S)
    return strange


def expected_half_width(model: CellModel, settled: FilterState) -> Floats:
    """Return half the width of the interval by what the filter knows of itself."""
    table_off = np.abs(settled.mean[OCV_ERROR]) / np.float32(model.noise.ocv_v)
    surprised = np.clip(table_off, 1, _MOST_SURPRISED)
    width: Floats = np.float32(NORMAL_90) * np.sqrt(settled.soc_variance) * surprised
    return width


def groups_of(state: TrustState, searching: Flags) -> npt.NDArray[np.intp]:
    """Return the group of each cell, members of `IntervalGroup`."""
    unsure = np.where(searching, IntervalGroup.SEARCHING, IntervalGroup.LOCATED)
    group: npt.NDArray[np.intp] = np.where(state.anchored, IntervalGroup.ANCHORED, unsure)
    return group
