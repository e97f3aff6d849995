"""SOC of every cell: a search from a cold start on (search.py), then one filter (soc_filter.py).

When the weighted row of a cell's hypotheses has drawn together it becomes one filter with the
row's mean and spread.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators import search, soc_filter
from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Flags, Indices, Samples
from station.estimators.screen import ScreenState, nothing_seen, screen
from station.estimators.search import Search
from station.estimators.soc_filter import FilterState, Innovation
from station.estimators.trust import TrustState, doubtful, half_width, learn, nothing_learnt

_COLD_SD = np.float32(0.2)
"""How far the SOC that a cold start is told may be off: one standard deviation."""
_DRAWN_TOGETHER = 0.01
_LEAST_SEARCH_S = 1800.0
"""Half an hour of voltages, at the least, decides between hypotheses."""


@dataclass(frozen=True)
class SocState:
    """The cells of all racks of one make.

    Attributes:
        rack: of each cell, shape (cells,).
        screened: what is remembered of the samples that were believed.
        settled: one column a cell; that of a searching cell is the mixture of its hypotheses.
        searching: whether a cell still has many hypotheses, shape (cells,).
        search: their hypotheses.
        trust: what is remembered of how the filter's word came out.
    """

    rack: Indices
    screened: ScreenState
    settled: FilterState
    searching: npt.NDArray[np.bool_]
    search: Search
    trust: TrustState


@dataclass(frozen=True)
class SocEstimate:
    """What is known of the cells' SOC at a moment.

    Attributes:
        soc, soc_sd: mean and standard deviation, a share of 1, shape (cells,).
        half_width: of the interval that is to hold SOC nine times in ten.
        bias_c_rate: offset of the current sensor as each cell sees it.
        resistance: overpotential against that of a fresh cell, 1 where it is equal.
        innovation: of the settled filters; 0 for searching cells.
        doubtful: cells whose voltage does not look like that of their make at the moment; minutes
            of it mean parameters of another make or chemistry.
    """

    soc: Floats
    soc_sd: Floats
    half_width: Floats
    bias_c_rate: Floats
    resistance: Floats
    innovation: Innovation
    doubtful: Flags


def cold_start(model: CellModel, rack: Indices, racks: int, told_soc: Floats) -> SocState:
    """Return the state of cells whose SOC was told by something not to be relied on.

    A cell of which nothing was told (NaN) may stand anywhere.
    """
    everyone = np.arange(len(rack))
    told = np.where(np.isnan(told_soc), 0.5, told_soc).astype(np.float32)
    spread = np.full(len(rack), _COLD_SD)
    return SocState(
        rack=rack,
        screened=nothing_seen(len(rack)),
        settled=soc_filter.start(model, rack, racks, told, spread),
        searching=np.ones(len(rack), bool),
        search=search.begin_search(model, rack, racks, everyone, told_soc, spread),
        trust=nothing_learnt(len(rack)),
    )


def known_start(
    model: CellModel, rack: Indices, racks: int, soc: Floats, soc_sd: float
) -> SocState:
    """Return the state of cells whose SOC is known so well that there is nothing to search."""
    cold = cold_start(model, rack[:0], racks, soc[:0])
    return replace(
        cold,
        rack=rack,
        screened=nothing_seen(len(rack)),
        trust=nothing_learnt(len(rack)),
        settled=soc_filter.start(model, rack, racks, soc, np.full(len(rack), soc_sd, np.float32)),
        searching=np.zeros(len(rack), bool),
    )


def searching_anew(model: CellModel, state: SocState, racks: int) -> SocState:
    """Return a state whose hypotheses are not known as one whose search begins from mixtures."""
    cells = np.flatnonzero(state.searching)
    soc, sd = state.settled.soc[cells], np.sqrt(state.settled.soc_variance[cells])
    begun = search.begin_search(model, state.rack, racks, cells, soc, sd)
    return replace(state, search=begun)


def step(
    model: CellModel, state: SocState, samples: Samples, capacity_ah: Floats
) -> tuple[SocState, SocEstimate]:
    """Take one moment.

    Args:
        model: the make of all cells.
        state: before the moment.
        samples: of the moment.
        capacity_ah: of each cell, shape (cells,).
    """
    everyone = np.arange(len(state.rack))
    screened, samples = screen(state.screened, samples, state.rack, capacity_ah)
    settled, innovation = soc_filter.step(model, state.settled, samples, everyone, capacity_ah)
    state = replace(state, screened=screened, settled=settled)
    if state.searching.any():
        found, settled = search.step_search(model, state.search, settled, samples, capacity_ah)
        state = _settle(replace(state, search=found, settled=settled))
    trust = learn(
        model, state.trust, state.settled, innovation, samples.temperature_c, state.searching
    )
    state = replace(state, trust=trust)
    mean = state.settled.mean
    soc_sd = np.sqrt(state.settled.soc_variance)
    estimate = SocEstimate(
        soc=np.clip(mean[soc_filter.SOC], 0, 1),
        soc_sd=soc_sd,
        half_width=soc_half_width(model, state),
        bias_c_rate=mean[soc_filter.BIAS],
        resistance=1 + mean[soc_filter.RESISTANCE_ERROR],
        innovation=innovation,
        doubtful=doubtful(model, state.settled),
    )
    return state, estimate


def doubted(state: SocState, cells: Indices, variance: Floats) -> SocState:
    """Return the state after the SOC of some cells has become less sure by a variance."""
    settled = soc_filter.doubted(state.settled, cells, variance)
    if not state.searching.any():
        return replace(state, settled=settled)
    of_all = np.zeros(len(state.rack), np.float32)
    of_all[cells] = variance
    return replace(state, settled=settled, search=search.doubted(state.search, of_all))


def soc_half_width(model: CellModel, state: SocState) -> Floats:
    """Return half the width of the interval that is to hold SOC nine times in ten."""
    at_c = state.screened.known_c
    return half_width(model, state.trust, state.settled, at_c, state.searching)


def _settle(state: SocState) -> SocState:
    """Leave only their one filter to cells whose hypotheses have drawn together."""
    sd = np.sqrt(state.settled.soc_variance)
    ripe = state.searching & (state.settled.seen_s > _LEAST_SEARCH_S) & (sd < _DRAWN_TOGETHER)
    if not ripe.any():
        return state
    searching = state.searching & ~ripe
    return replace(state, searching=searching, search=search.left(state.search, searching))
