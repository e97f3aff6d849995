"""SOC of every cell: the filter, with the network as one more witness.

The filter says what it believes; the network, which has heard the voltages of the minutes
before and knows how makes of cells err, says how far that is off and how sure it is of it. Its
word counts as a measured SOC. It errs alike for long stretches, so that all seconds of one stretch
together count once: the variance of a correction is the network's own times the number of
corrections in a stretch. It is not asked where it is not sure, where the cell was not heard,
and where the filter's innovations look like noise: a filter that explains its voltages needs no
help.
A network that is trusted in nothing, at cells of the make's chemistry, is not even run.

What the network tells alone is never published.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators import soc as soc_estimator
from station.estimators import soc_filter
from station.estimators.cell_model import CellModel, Floats
from station.estimators.network import NOTHING, Network, Trust
from station.estimators.network_inputs import Ambient, Believed, Readings, network_inputs
from station.estimators.network_run import NetworkState, run_second, start_network
from station.estimators.samples import Flags, Halves, Indices, Samples
from station.estimators.search import Portion
from station.estimators.soc import SocEstimate, SocState

_EVERY_S = 16
_LEAN_S = 300.0
_GATE = 9.0
_HEARD_BELOW = np.float32(1e20)
"""The filter expects an immense innovation of a voltage that was not heard."""
_NO_AMBIENT = Ambient()


@dataclass(frozen=True)
class Cautions:
    """`Trust` cell by cell, shape (cells,): so that a laboratory can compare degrees of it."""

    sd_times: Floats
    lasts_s: Floats
    most_sd: Floats
    coloured: Floats


@dataclass(frozen=True)
class FusedState:
    """The filter's state, and the network's beside it.

    Attributes:
        soc: of the filter.
        network: None where there is none.
        lean: running mean of the filter's innovations in their own standard deviations,
            shape (cells,); shape (0,) where there is no network.
        second: of the 16 between two corrections.
    """

    soc: SocState
    network: NetworkState | None
    lean: Halves
    second: int


def start(network: Network | None, state: SocState, racks: int) -> FusedState:
    """Return the state of cells whose filter starts with `state`, for so many racks."""
    cells = len(state.rack) if network is not None else 0
    return FusedState(
        soc=state,
        network=None if network is None else start_network(network, cells, racks),
        lean=np.zeros(cells, np.float16),
        second=0,
    )


def cold_start(
    model: CellModel, network: Network | None, rack: Indices, racks: int, told_soc: Floats
) -> FusedState:
    """Return the state of cells whose SOC was told by something not to be relied on."""
    return start(network, soc_estimator.cold_start(model, rack, racks, told_soc), racks)


def step(
    model: CellModel,
    network: Network | None,
    state: FusedState,
    samples: Samples,
    capacity_ah: Floats,
    *,
    ambient: Ambient = _NO_AMBIENT,
    cautions: Cautions | None = None,
) -> tuple[FusedState, SocEstimate]:
    """Take one moment.

    Args:
        model: the make of all cells.
        network: None: the filter alone.
        state: before the moment.
        samples: of the moment.
        capacity_ah: of each cell, shape (cells,).
        ambient: light and humidity, where a station measures them.
        cautions: how far to trust the network, in place of what its file says.
    """
    soc_state, estimate = soc_estimator.step(model, state.soc, samples, capacity_ah)
    trust = cautions or (NOTHING if network is None else network.facts.trust_in(model.chemistry))
    if network is None or (isinstance(trust, Trust) and trust.is_nothing):
        return replace(state, soc=soc_state), estimate
    assert state.network is not None  # noqa: S101 - started with this network
    heard = estimate.innovation.variance < _HEARD_BELOW
    believed, readings = _inputs(soc_state, estimate.soc, samples, heard)
    inputs = network_inputs(model, believed, readings, capacity_ah, ambient)
    network_state, error, log_sd = run_second(network, state.network, inputs, soc_state.rack)
    lean = _lean(state.lean, estimate, heard)
    second = (state.second + 1) % _EVERY_S
    after = FusedState(soc_state, network_state, lean, second)
    if second:
        return after, estimate
    sd = np.exp(log_sd) * np.float32(trust.sd_times)
    asked = heard & (sd < trust.most_sd) & coloured(lean, trust)
    variance = sd * sd * np.maximum(trust.lasts_s / _EVERY_S, 1)
    told = estimate.soc + error
    soc_state = correct(soc_state, told, variance.astype(np.float32), asked)
    return replace(after, soc=soc_state), _corrected(model, soc_state, estimate)


def coloured(lean: Halves, trust: Trust | Cautions) -> Flags:
    """Return whose innovations lean to one side further than noise would.

    The running mean of white noise of variance 1 over n seconds has variance 1 / 2n.
    """
    flags: Flags = np.abs(lean) >= trust.coloured / np.sqrt(2 * _LEAN_S)
    return flags


def correct(state: SocState, told_soc: Floats, variance: Floats, asked: Flags) -> SocState:
    """Return the filter's state after a measured SOC of some of its cells.

    Args:
        state: before; it is left as it is.
        told_soc: what was measured, shape (cells,).
        variance: of that.
        asked: which cells it is believed of.
    """
    settled = state.settled
    cross = np.stack([settled.covariance[_pair(i)] for i in range(len(settled.mean))])
    away = told_soc - settled.mean[soc_filter.SOC]
    total = cross[soc_filter.SOC] + variance
    total = total * np.maximum(away * away / (total * _GATE), 1)
    weight = np.where(asked & ~state.searching, 1 / total, 0).astype(np.float32)
    mean = settled.mean + cross * (weight * away)
    covariance = settled.covariance.copy()
    for number, (i, j) in enumerate(soc_filter.PAIRS):
        covariance[number] -= cross[i] * cross[j] * weight
    state = replace(state, settled=replace(settled, mean=mean, covariance=covariance))
    if not state.searching.any():
        return state
    portions = tuple(_weighed(each, told_soc, variance, asked) for each in state.search.portions)
    return replace(state, search=replace(state.search, portions=portions))


def _weighed(portion: Portion, told_soc: Floats, variance: Floats, asked: Flags) -> Portion:
    """Weigh hypotheses by a measured SOC of their cells."""
    owner = portion.owner
    spread = portion.columns.soc_variance + variance[owner]
    square = np.minimum((told_soc[owner] - portion.columns.soc) ** 2 / spread, _GATE)
    told = np.where(asked[owner], 0.5 * (square + np.log(spread)), 0)
    return replace(portion, log_weight=(portion.log_weight - told).astype(np.float32))


def _pair(i: int) -> int:
    return soc_filter.PAIRS.index((soc_filter.SOC, i))


def _inputs(
    state: SocState, soc: Floats, samples: Samples, heard: Flags
) -> tuple[Believed, Readings]:
    """Return what the network's inputs are made of."""
    rack, settled = state.rack, state.settled
    lagged_a = settled.lagged_a[:, rack]
    believed = Believed(soc, settled.hysteresis, lagged_a, settled.core_k.astype(np.float32))
    current_a, temperature_c = samples.current_a[rack], state.screened.known_c
    return believed, Readings(current_a, samples.voltage_v, temperature_c, heard)


def _lean(before: Halves, estimate: SocEstimate, heard: Flags) -> Halves:
    now = estimate.innovation.volts / np.sqrt(estimate.innovation.variance)
    share = np.where(heard, np.float32(1 / _LEAN_S), np.float32(0))
    known = before.astype(np.float32)
    return (known + share * (now - known)).astype(np.float16)


def _corrected(model: CellModel, state: SocState, estimate: SocEstimate) -> SocEstimate:
    """Return the estimate with what the correction changed."""
    settled = state.settled
    soc_sd = np.sqrt(np.maximum(settled.soc_variance, 0))
    return replace(
        estimate,
        soc=np.clip(settled.mean[soc_filter.SOC], 0, 1),
        soc_sd=soc_sd,
        half_width=soc_estimator.soc_half_width(model, state),
        bias_c_rate=settled.mean[soc_filter.BIAS],
        resistance=1 + settled.mean[soc_filter.RESISTANCE_ERROR],
    )
