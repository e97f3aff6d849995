"""SOC of every cell from a cold start on: many hypotheses first, then one filter.

On the flat middle of an LFP cell's voltage a single filter that starts at the wrong SOC can
settle at another flat place and be sure of it. A cell of unknown SOC therefore starts as a row
of filters over the SOC that is possible, each weighted by how well it foretells the voltage
(a Gaussian sum: Alspach and Sorenson 1972, IEEE Trans. Automatic Control 17). When the weighted
row has drawn together it becomes one filter with the row's mean and spread.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators import soc_filter
from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Flags, Indices, Samples
from station.estimators.screen import ScreenState, nothing_seen, screen
from station.estimators.soc_filter import FilterState, Innovation
from station.estimators.trust import TrustState, doubtful, half_width, learn, nothing_learnt

_OFFSETS = np.arange(-0.6, 0.61, 0.04, dtype=np.float32)
"""Where the hypotheses of a cold start lie about the SOC that it is told."""
_HYPOTHESIS_SD = np.float32(0.025)
"""Neighbouring hypotheses overlap at 0.8 of it, so that no SOC lies between two of them."""
_COLD_SD = 0.2
"""How far the SOC that a cold start is told may be off: one standard deviation."""
_BEYOND = 0.02
"""Hypotheses may start so far beyond empty and full."""
_LARGEST_SQUARE = 25.0
"""One wild voltage rules out no hypothesis."""
_DRAWN_TOGETHER = 0.01
_LEAST_SEARCH_S = 1800.0
"""Half an hour of voltages, at the least, decides between hypotheses."""


@dataclass(frozen=True)
class SocState:
    """The cells of all racks of one make.

    Attributes:
        rack: of each cell, shape (cells,).
        screened: what is remembered of the samples that were believed.
        settled: one column a cell; the columns of searching cells stand still.
        searching: whether a cell still has many hypotheses, shape (cells,).
        hypotheses: columns of searching cells.
        owner: which cell each hypothesis belongs to, ascending.
        log_weight: of each hypothesis.
        trust: what is remembered of how the filter's word came out.
    """

    rack: Indices
    screened: ScreenState
    settled: FilterState
    searching: npt.NDArray[np.bool_]
    hypotheses: FilterState
    owner: Indices
    log_weight: Floats
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
    untold = np.isnan(told_soc)
    told_soc = np.where(untold, 0.5, told_soc).astype(np.float32)
    told = told_soc[:, None] + _OFFSETS
    possible = (told > -_BEYOND) & (told < 1 + _BEYOND)
    owner, place = np.nonzero(possible)
    start = told[owner, place].astype(np.float32)
    return SocState(
        rack=rack,
        screened=nothing_seen(len(rack)),
        settled=soc_filter.start(
            model, rack, racks, told_soc, np.full(len(rack), _COLD_SD, np.float32)
        ),
        searching=np.ones(len(rack), bool),
        hypotheses=soc_filter.start(
            model, rack[owner], racks, start, np.full(len(owner), _HYPOTHESIS_SD)
        ),
        owner=owner,
        log_weight=np.where(untold[owner], 0, -0.5 * (_OFFSETS[place] / _COLD_SD) ** 2).astype(
            np.float32
        ),
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
        state = _settle(_weigh(model, state, samples, capacity_ah))
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
    everyone = np.arange(len(state.owner))
    hypotheses = soc_filter.doubted(state.hypotheses, everyone, of_all[state.owner])
    return replace(state, settled=settled, hypotheses=hypotheses)


def soc_half_width(model: CellModel, state: SocState) -> Floats:
    """Return half the width of the interval that is to hold SOC nine times in ten."""
    at_c = state.screened.known_c
    return half_width(model, state.trust, state.settled, at_c, state.searching)


def _weigh(model: CellModel, state: SocState, samples: Samples, capacity_ah: Floats) -> SocState:
    """Step the hypotheses, weigh them by their innovations, and tell each cell its mixture."""
    hypotheses, innovation = soc_filter.step(
        model, state.hypotheses, samples, state.owner, capacity_ah[state.owner]
    )
    square = np.minimum(innovation.volts**2 / innovation.variance, _LARGEST_SQUARE)
    log_weight = state.log_weight - 0.5 * (square + np.log(innovation.variance))
    first = np.flatnonzero(np.diff(state.owner, prepend=-1))
    owners = state.owner[first]
    number = np.cumsum(np.diff(state.owner, prepend=-1) > 0) - 1
    log_weight -= np.maximum.reduceat(log_weight, first)[number]
    weight = np.exp(log_weight)
    weight /= np.add.reduceat(weight, first)[number]

    settled = state.settled
    mean = np.add.reduceat(hypotheses.mean * weight, first, axis=1)
    away = hypotheses.mean - mean[:, number]
    covariance = hypotheses.covariance + np.stack([away[i] * away[j] for i, j in soc_filter.PAIRS])
    new_mean, new_covariance = settled.mean.copy(), settled.covariance.copy()
    new_mean[:, owners] = mean
    new_covariance[:, owners] = np.add.reduceat(covariance * weight, first, axis=1)
    hysteresis = settled.hysteresis.copy()
    hysteresis[owners] = np.add.reduceat(hypotheses.hysteresis * weight, first)
    core_k = settled.core_k.copy()
    core_k[owners] = np.add.reduceat(hypotheses.core_k * weight, first)
    settled = replace(
        settled, mean=new_mean, covariance=new_covariance, hysteresis=hysteresis, core_k=core_k
    )
    return replace(
        state,
        settled=settled,
        hypotheses=hypotheses,
        log_weight=log_weight,
    )


def _settle(state: SocState) -> SocState:
    """Leave only their one filter to cells whose hypotheses have drawn together."""
    sd = np.sqrt(state.settled.soc_variance)
    ripe = state.searching & (state.settled.seen_s > _LEAST_SEARCH_S) & (sd < _DRAWN_TOGETHER)
    if not ripe.any():
        return state
    searching = state.searching & ~ripe
    stays = searching[state.owner]
    hypotheses = state.hypotheses
    return replace(
        state,
        searching=searching,
        hypotheses=replace(
            hypotheses,
            rack=hypotheses.rack[stays],
            mean=hypotheses.mean[:, stays],
            covariance=hypotheses.covariance[:, stays],
            hysteresis=hypotheses.hysteresis[stays],
            seen_s=hypotheses.seen_s[stays],
            core_k=hypotheses.core_k[stays],
        ),
        owner=state.owner[stays],
        log_weight=state.log_weight[stays],
    )
