"""What the slow estimates look at when a rack's turn comes, every tenth second.

Capacity, resistance, efficiency and dispatchable energy change slowly. Racks take turns, so that
every second costs the same.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from station.estimators import soc_filter
from station.estimators.by_rack import ByRack
from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    NORMAL_90,
    OCV_COLUMN,
    CellModel,
    Floats,
)
from station.estimators.samples import Flags, Indices
from station.estimators.soc import SocEstimate, SocState

_Array = TypeVar("_Array", bound=npt.NDArray[Any])
EVERY = 10
"""A rack has its turn in one of so many ticks."""
_OF_TURNS = ("racks", "turn", "by_rack", "lagged_a")
_TABLE_SHARE = 0.5
"""Share of the variance of SOC that does not come from the current sensor and that cells of one
make, at one SOC and temperature, are taken to have in common: the error of their one table."""


@dataclass(frozen=True)
class Visit:
    """Cells of the racks whose turn it is.

    Attributes:
        racks: which have their turn, shape (turns,).
        cells: which of all cells are theirs, shape (n,); so all below, where nothing else is said.
        turn: which of the turns each cell belongs to.
        by_rack: where the cells of each turn begin.
        soc, soc_sd: as estimated, may stand a little beyond 0..1; sd by the calibrated interval.
        shared: share of the variance of SOC that the cells of a rack have in common.
        searching: whether a cell's SOC is still searched for.
        temperature_c: inside the cell, as last believed.
        ocv_v, ocv_slope_v: open-circuit voltage by the table, and its rise per unit of SOC.
        hysteresis_v: half distance of the branches.
        hysteresis: state, -1..1.
        resistance_ohm: by the table, of each term, shape (terms, n).
        lagged_a: the current behind each term's lag, shape (terms, turns).
        overpotential_v: that of a fresh cell at this moment, discharge positive.
        ocv_error_v, resistance_error: states of the filter.
        resistance_variance: of the latter.
        innovation_v: measured minus expected voltage; 0 where none was believed.
        bias_c_rate, bias_variance: of the current sensor's offset.
    """

    racks: Indices
    cells: Indices
    turn: Indices
    by_rack: ByRack
    soc: Floats
    soc_sd: Floats
    shared: Floats
    searching: Flags
    temperature_c: Floats
    ocv_v: Floats
    ocv_slope_v: Floats
    hysteresis_v: Floats
    hysteresis: Floats
    resistance_ohm: Floats
    lagged_a: Floats
    overpotential_v: Floats
    ocv_error_v: Floats
    resistance_error: Floats
    resistance_variance: Floats
    innovation_v: Floats
    bias_c_rate: Floats
    bias_variance: Floats


def due_racks(ticks: int, racks: int) -> Indices:
    """Return the racks whose turn it is; at the very first tick it is everyone's."""
    everyone = np.arange(racks)
    return everyone if ticks == 0 else everyone[(everyone + ticks) % EVERY == 0]


def visit(model: CellModel, state: SocState, estimate: SocEstimate, racks: Indices) -> Visit:
    """Return what is known of the cells of some racks, in the order of all cells."""
    due = np.zeros(state.settled.lagged_a.shape[1], bool)
    due[racks] = True
    cells = np.flatnonzero(due[state.rack])
    turn = np.searchsorted(racks, state.rack[cells])
    settled = state.settled
    mean = settled.mean[:, cells]
    covariance = settled.covariance[:, cells]
    temperature_c = state.screened.temperature_c[cells].astype(np.float32) + settled.core_k[cells]
    values, slopes = model.look_up(mean[soc_filter.SOC], temperature_c)
    lagged_a = settled.lagged_a[:, racks]
    resistance_ohm = values[FIRST_TERM_COLUMN:]
    return Visit(
        racks=racks,
        cells=cells,
        turn=turn,
        by_rack=ByRack.of(turn),
        soc=mean[soc_filter.SOC],
        soc_sd=(estimate.half_width[cells] / np.float32(NORMAL_90)).astype(np.float32),
        shared=_shared(covariance),
        searching=state.searching[cells],
        temperature_c=temperature_c,
        ocv_v=values[OCV_COLUMN],
        ocv_slope_v=slopes[OCV_COLUMN],
        hysteresis_v=values[HYSTERESIS_COLUMN],
        hysteresis=settled.hysteresis[cells],
        resistance_ohm=resistance_ohm,
        lagged_a=lagged_a,
        overpotential_v=np.einsum("tc,tc->c", resistance_ohm, lagged_a[:, turn]),
        ocv_error_v=mean[soc_filter.OCV_ERROR],
        resistance_error=mean[soc_filter.RESISTANCE_ERROR],
        resistance_variance=_variance(covariance, soc_filter.RESISTANCE_ERROR),
        innovation_v=estimate.innovation.volts[cells],
        bias_c_rate=mean[soc_filter.BIAS],
        bias_variance=_variance(covariance, soc_filter.BIAS),
    )


def put(values: _Array, places: Indices, new: _Array) -> _Array:
    """Return a copy of values with others at some places."""
    after = values.copy()
    after[places] = new
    return after


def only(visit: Visit, wanted: Flags) -> tuple[Visit, Indices]:
    """Return a visit of some of its cells, and the turns of which there is one."""
    turns, turn = np.unique(visit.turn[wanted], return_inverse=True)
    of_cells = {
        each.name: getattr(visit, each.name)[..., wanted]
        for each in fields(visit)
        if each.name not in _OF_TURNS
    }
    left = replace(visit, **of_cells)
    return replace(
        left,
        racks=visit.racks[turns],
        turn=turn,
        by_rack=ByRack.of(turn),
        lagged_a=visit.lagged_a[:, turns],
    ), turns


def _variance(covariance: Floats, of: int) -> Floats:
    variance: Floats = covariance[soc_filter.PAIRS.index((of, of))]
    return variance


def _shared(covariance: Floats) -> Floats:
    """Return the share of SOC's variance that the cells of a rack have in common.

    What SOC's error owes to the offset of the current sensor is their squared correlation. The
    rack has one current sensor: that part is the same in all its cells.
    """
    with_bias = covariance[soc_filter.PAIRS.index((soc_filter.SOC, soc_filter.BIAS))]
    variances = _variance(covariance, soc_filter.SOC) * _variance(covariance, soc_filter.BIAS)
    by_current = np.clip(with_bias**2 / variances, 0, 1)
    shared: Floats = (by_current + _TABLE_SHARE * (1 - by_current)).astype(np.float32)
    return shared
