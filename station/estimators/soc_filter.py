"""SOC of many cells at a time: an extended Kalman filter over an equivalent circuit.

Each column has four states: SOC; the offset of the current sensor in multiples of the capacity
per hour; the error of the OCV table in V; and the relative error of the overpotential. The last
two are not noise: they last. The table's error becomes another one as SOC moves along the table,
the overpotential's as time passes. Keeping them as states is what keeps the filter from taking
a thousand samples that all err alike for a thousand witnesses. A sample's own noise grows with
the overpotential of the moment, and an innovation beyond three standard deviations counts less.

The equations are those of the extended Kalman filter with first-order Gauss-Markov states (Bar-
Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, ch. 8).
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
    Floats,
)
from station.estimators.samples import Flags, Halves, Indices, Samples

SOC, BIAS, OCV_ERROR, RESISTANCE_ERROR = range(4)
_STATES = 4
PAIRS = tuple((i, j) for i in range(_STATES) for j in range(i, _STATES))
_PAIR = {pair: number for number, pair in enumerate(PAIRS)} | {
    (j, i): number for number, (i, j) in enumerate(PAIRS)
}
_SOC_RANGE = (-0.03, 1.04)
_BIAS_S = 1e5
"""A current sensor's offset drifts over about a day."""
_HOUR_S = np.float32(3600.0)
_LEAST_VARIANCE = (1e-10, 1e-12, 1e-12, 1e-12)
"""Variances stay above what single precision resolves beside their neighbours."""
_GATE = 9.0
"""Squared standard deviations; a normal error passes in 99.7 of 100 cases."""
_GATED_AFTER_S = 20.0
"""At a cold start the first innovations are large because SOC is unknown: they all count."""
_LONGEST_STEP_S = 30.0
"""Readings that come so far apart are still taken as steps of the current."""
_GOES_ON_S = 900.0
"""So long into a gap the rack is taken to go on as in the minutes before, and to rest after."""
_UNSEEN_C_RATE = 0.5
"""A rack whose current was not seen may have moved its charge so fast, either way."""
_GOOD_NOTHING = np.float32(1e30)
_REST_C_RATE, _STEADY_C_RATE = 0.012, 0.001
"""A reading that small, and that steady, is a rack at rest as its current sensor tells it."""
_REST_AFTER_S = 20.0
_WARMEST_CORE_K = np.float32(15.0)
_REST_SD_C_RATE = 0.0005
"""What a rack draws at rest, for all that its sensor does not tell: relays, electronics."""


@dataclass(frozen=True)
class FilterState:
    """All that the filter keeps of its columns; 62 bytes each, and some bytes a rack.

    Attributes:
        rack: which rack each column belongs to, shape (columns,).
        mean: shape (4, columns).
        covariance: upper triangle by rows, shape (10, columns).
        hysteresis: -1..1, 1 after a long discharge, shape (columns,).
        seen_s: for how long voltages have been believed, shape (columns,).
        core_k: by how much a cell is warmer inside than its thermometer, shape (columns,); half
            precision, for a hundredth of a kelvin decides nothing.
        unseen_s: since the current was last seen, shape (racks,).
        lagged_a: current behind each term's lag, shape (terms, racks).
        unknown_a: what each rack's slowest lag may owe to the time before it was first seen,
            NaN until then, shape (racks,).
        rest_a, rest_s: mean current of the rack at rest, and how long it has been, shape (racks,).
    """

    rack: Indices
    mean: Floats
    covariance: Floats
    hysteresis: Floats
    seen_s: Floats
    core_k: Halves
    unseen_s: Floats
    lagged_a: Floats
    unknown_a: Floats
    rest_a: Floats
    rest_s: Floats

    @property
    def soc(self) -> Floats:
        """SOC of each column, may stand a little beyond 0..1."""
        soc: Floats = self.mean[SOC]
        return soc

    @property
    def soc_variance(self) -> Floats:
        """Variance of SOC of each column."""
        variance: Floats = self.covariance[_PAIR[SOC, SOC]]
        return variance


@dataclass(frozen=True)
class Innovation:
    """What the samples of a moment said against the expectation.

    Attributes:
        volts: measured minus expected, shape (columns,); 0 where no voltage was good.
        variance: what the filter expected of its square, V^2.
        soc_shift, soc_resolved: by how much the voltages moved SOC, and lowered its variance.
    """

    volts: Floats
    variance: Floats
    soc_shift: Floats
    soc_resolved: Floats


def start(model: CellModel, rack: Indices, racks: int, soc: Floats, soc_sd: Floats) -> FilterState:
    """Return the state of columns of which only SOC is known, and how well."""
    columns = len(rack)
    noise = model.noise
    mean = np.zeros((_STATES, columns), np.float32)
    mean[SOC] = soc
    covariance = np.zeros((len(PAIRS), columns), np.float32)
    covariance[_PAIR[SOC, SOC]] = soc_sd**2
    covariance[_PAIR[BIAS, BIAS]] = noise.current_bias_c_rate**2
    covariance[_PAIR[OCV_ERROR, OCV_ERROR]] = noise.ocv_v**2
    covariance[_PAIR[RESISTANCE_ERROR, RESISTANCE_ERROR]] = noise.resistance**2
    return FilterState(
        rack=rack,
        mean=mean,
        covariance=covariance,
        hysteresis=np.zeros(columns, np.float32),
        seen_s=np.zeros(columns, np.float32),
        core_k=np.zeros(columns, np.float16),
        unseen_s=np.zeros(racks, np.float32),
        lagged_a=np.zeros((len(model.lag_s), racks), np.float32),
        unknown_a=np.full(racks, np.nan, np.float32),
        rest_a=np.zeros(racks, np.float32),
        rest_s=np.zeros(racks, np.float32),
    )


def step(
    model: CellModel, state: FilterState, samples: Samples, cell: Indices, capacity_ah: Floats
) -> tuple[FilterState, Innovation]:
    """Take one moment: move the charge, then correct by the voltages.

    Args:
        model: the make of all cells.
        state: before the moment; it is left as it is.
        samples: of the moment.
        cell: which cell of the samples each column follows, shape (columns,).
        capacity_ah: of each column.

    Returns:
        The state after the moment, and the innovations.
    """
    rack = state.rack
    elapsed_s = samples.elapsed_s
    meanwhile_a = _meanwhile_a(model, state, samples)
    mean, covariance, moved = _moved(model, state, samples, meanwhile_a, capacity_ah)
    lagged_a = _lagged(model, state.lagged_a, samples, meanwhile_a)
    rest_a, rest_s = _rest(model, state, samples)
    if (rest_s >= _REST_AFTER_S).any():
        _zero(mean, covariance, rest_s[rack] >= _REST_AFTER_S, rest_a[rack] / capacity_ah)
    hysteresis = _hysteresis(model, state.hysteresis, moved, meanwhile_a[rack])
    expected = _expectation(
        model, mean, hysteresis, lagged_a[:, rack], samples.temperature_c[cell] + state.core_k
    )
    core_k = state.core_k
    if model.core.k_per_w > 0:
        loss_w = meanwhile_a[rack] * expected.overpotential
        core_k = _core_k(model, core_k, loss_w, elapsed_s[rack])

    good = samples.voltage_good[cell] & samples.current_good[rack]
    volts = np.where(good, samples.voltage_v[cell] - expected.volts, np.float32(0))
    rows = _rows(covariance, expected)
    unknown_a = _unknown_a(model, state, samples)
    variance = _variance(model, rows, expected, unknown_a[rack])
    seen_s = state.seen_s + np.where(good, elapsed_s[rack], 0)
    square = volts * volts / variance
    gate = np.where(seen_s > _GATED_AFTER_S, np.maximum(square / _GATE, 1), np.float32(1))
    weight = np.where(good, 1 / (variance * gate), np.float32(0))
    _correct(mean, covariance, rows, volts, weight)
    for i, least in enumerate(_LEAST_VARIANCE):
        np.maximum(covariance[_PAIR[i, i]], least, out=covariance[_PAIR[i, i]])
    unseen_s = np.where(samples.current_good, 0, state.unseen_s + elapsed_s).astype(np.float32)
    after = FilterState(
        rack=rack,
        mean=mean,
        covariance=covariance,
        hysteresis=hysteresis,
        seen_s=seen_s,
        core_k=core_k,
        unseen_s=unseen_s,
        lagged_a=lagged_a,
        unknown_a=unknown_a,
        rest_a=rest_a,
        rest_s=rest_s,
    )
    moved_by = rows[SOC] * weight
    expected_v2 = np.where(good, variance, _GOOD_NOTHING)
    return after, Innovation(volts, expected_v2, moved_by * volts, moved_by * rows[SOC])


def doubted(state: FilterState, columns: Indices, variance: Floats) -> FilterState:
    """Return the state after SOC of some columns has become less sure by a variance."""
    covariance = state.covariance.copy()
    covariance[_PAIR[SOC, SOC], columns] += variance
    return replace(state, covariance=covariance)


def _hysteresis(model: CellModel, before: Floats, moved: Floats, current_a: Floats) -> Floats:
    """Return where columns stand between the branches, -1..1, after SOC has moved."""
    if model.hysteresis_rate <= 0:
        return before
    keep = np.exp(-np.abs(moved) * np.float32(model.hysteresis_rate))
    after: Floats = keep * before + (1 - keep) * np.sign(current_a)
    return after


@dataclass(frozen=True)
class _Expected:
    """What is expected of each column's voltage.

    Attributes:
        volts: the voltage itself.
        rise: over SOC, V.
        overpotential: V.
        values: of the make's table, shape (values, columns).
    """

    volts: Floats
    rise: Floats
    overpotential: Floats
    values: Floats


def _expectation(
    model: CellModel, mean: Floats, hysteresis: Floats, lagged_a: Floats, temperature_c: Floats
) -> _Expected:
    """Return what is expected before the voltages are looked at."""
    values, slopes = model.look_up(mean[SOC], temperature_c)
    overpotential = np.einsum("tc,tc->c", values[FIRST_TERM_COLUMN:], lagged_a)
    rise = slopes[OCV_COLUMN] - slopes[HYSTERESIS_COLUMN] * hysteresis
    rise -= np.einsum("tc,tc->c", slopes[FIRST_TERM_COLUMN:], lagged_a)
    expected = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * hysteresis + mean[OCV_ERROR]
    expected -= overpotential * (1 + mean[RESISTANCE_ERROR])
    return _Expected(expected, rise, overpotential, values)


def _rows(covariance: Floats, expected: _Expected) -> list[Floats]:
    """Return the covariance of each state with the voltage, as new arrays."""
    return [
        covariance[_PAIR[i, SOC]] * expected.rise
        + covariance[_PAIR[i, OCV_ERROR]]
        - covariance[_PAIR[i, RESISTANCE_ERROR]] * expected.overpotential
        for i in range(_STATES)
    ]


def _variance(
    model: CellModel, rows: list[Floats], expected: _Expected, unknown_a: Floats
) -> Floats:
    """Return the variance of the voltage against its expectation, V^2."""
    noise, overpotential = model.noise, expected.overpotential
    variance = rows[SOC] * expected.rise + rows[OCV_ERROR] - rows[RESISTANCE_ERROR] * overpotential
    variance += noise.voltage_v**2 + (noise.overpotential * overpotential) ** 2
    unknown_v = expected.values[FIRST_TERM_COLUMN + model.slowest] * np.nan_to_num(unknown_a)
    variance += unknown_v * unknown_v
    return variance


def _correct(
    mean: Floats, covariance: Floats, rows: list[Floats], away: Floats, weight: Floats
) -> None:
    """Take a witness that lies `away` from what was expected, in place (Kalman's update).

    Args:
        mean: of the states, changed in place.
        covariance: likewise.
        rows: covariance of each state with the witness, no views of `covariance`.
        away: what it told less what was expected, shape (columns,).
        weight: 1 over its variance, shape (columns,).
    """
    for i in range(_STATES):
        mean[i] += rows[i] * (weight * away)
    for i, j in PAIRS:
        covariance[_PAIR[i, j]] -= rows[i] * rows[j] * weight


def _unknown_a(model: CellModel, state: FilterState, samples: Samples) -> Floats:
    """Return what each rack's slowest lag may owe to the time before it was first seen.

    A rack that works when it is first seen has worked before, nobody knows how.
    """
    first = np.minimum(np.abs(samples.current_a), model.capacity_ah) * model.noise.unknown_load
    keep = np.exp(-samples.elapsed_s / model.lag_s[model.slowest])
    began = np.where(samples.current_good, first, np.nan)
    kept: Floats = np.where(np.isnan(state.unknown_a), began, keep * state.unknown_a)
    return kept.astype(np.float32)


def _core_k(model: CellModel, core_k: Halves, loss_w: Floats, elapsed_s: Floats) -> Halves:
    """Return how much warmer than its thermometer each cell is after it lost so many watts."""
    keep = np.exp(-elapsed_s / np.float32(model.core.lag_s))
    warm: Floats = keep * core_k + (1 - keep) * np.float32(model.core.k_per_w) * loss_w
    return np.clip(warm, 0, _WARMEST_CORE_K).astype(np.float16)


def _moved(
    model: CellModel,
    state: FilterState,
    samples: Samples,
    meanwhile_a: Floats,
    capacity_ah: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return mean and covariance before the correction, and by how much SOC has moved."""
    noise = model.noise
    rack = state.rack
    elapsed_s = samples.elapsed_s
    hours = (elapsed_s / _HOUR_S)[rack]
    share = np.where(meanwhile_a < 0, np.float32(model.counting.charge), np.float32(1))
    share /= np.float32(model.counting.capacity)
    drawn = (share * meanwhile_a * elapsed_s / _HOUR_S)[rack]
    mean = state.mean.copy()
    covariance = state.covariance.copy()
    moved = -drawn / capacity_ah + mean[BIAS] * hours
    mean[SOC] = np.clip(mean[SOC] + moved, *_SOC_RANGE)

    soc_bias = covariance[_PAIR[SOC, BIAS]]
    bias_bias = covariance[_PAIR[BIAS, BIAS]]
    covariance[_PAIR[SOC, SOC]] += 2 * hours * soc_bias + hours * hours * bias_bias
    for other in (BIAS, OCV_ERROR, RESISTANCE_ERROR):
        covariance[_PAIR[SOC, other]] += hours * covariance[_PAIR[BIAS, other]]
    unseen = _unseen_variance(state, samples)
    covariance[_PAIR[SOC, SOC]] += (noise.soc_per_root_s**2 * elapsed_s + unseen)[rack]
    covariance[_PAIR[SOC, SOC]] += np.float32(noise.soc_per_root_soc**2) * np.abs(moved)

    keeps = (
        np.float32(1),
        np.exp(-elapsed_s / np.float32(_BIAS_S))[rack],
        np.exp(-np.abs(moved) / np.float32(noise.ocv_soc_span)),
        np.exp(-elapsed_s / np.float32(noise.resistance_s))[rack],
    )
    spreads = (0.0, noise.current_bias_c_rate, noise.ocv_v, noise.resistance)
    for i in range(1, _STATES):
        mean[i] *= keeps[i]
    for i, j in PAIRS:
        covariance[_PAIR[i, j]] *= keeps[i] * keeps[j]
    for i in range(1, _STATES):
        covariance[_PAIR[i, i]] += (1 - keeps[i] * keeps[i]) * np.float32(spreads[i] ** 2)
    return mean, covariance, moved.astype(np.float32)


def _rest(model: CellModel, state: FilterState, samples: Samples) -> tuple[Floats, Floats]:
    """Return the mean current of each rack since it came to rest, and for how long it rests."""
    small = np.abs(samples.current_a) <= _REST_C_RATE * model.capacity_ah
    steady = np.abs(samples.current_a - state.rest_a) <= _STEADY_C_RATE * model.capacity_ah
    rests = _followed(state, samples) & small & steady
    rest_s = np.where(rests, state.rest_s + samples.elapsed_s, 0).astype(np.float32)
    share = np.where(rests, samples.elapsed_s / np.maximum(rest_s, np.float32(1e-3)), 1)
    rest_a = (state.rest_a + share * (samples.current_a - state.rest_a)).astype(np.float32)
    return rest_a, rest_s


def _zero(mean: Floats, covariance: Floats, rests: Flags, told_c_rate: Floats) -> None:
    """Learn the sensor's offset from what it tells of columns at rest, in place.

    One rest is one witness, however long: when the offset is as well known as the current at
    rest, there is nothing more to learn.
    """
    known = covariance[_PAIR[BIAS, BIAS]]
    least = np.float32(_REST_SD_C_RATE**2)
    weight = np.where(rests & (known > least), 1 / (known + least), np.float32(0))
    away = told_c_rate - mean[BIAS]
    rows = [covariance[_PAIR[i, BIAS]].copy() for i in range(_STATES)]
    _correct(mean, covariance, rows, away, weight)


def _followed(state: FilterState, samples: Samples) -> Flags:
    """Return whether each rack's current was seen all the way from the samples before."""
    close = samples.elapsed_s <= _LONGEST_STEP_S
    followed: Flags = samples.current_good & close & (state.unseen_s == 0)
    return followed


def _meanwhile_a(model: CellModel, state: FilterState, samples: Samples) -> Floats:
    """Return the current since the samples before: in a gap, that of the minutes before it."""
    before_a = state.lagged_a[model.slowest]
    left_s = _GOES_ON_S - state.unseen_s
    share = np.clip(left_s / np.maximum(samples.elapsed_s, np.float32(1e-3)), 0, 1)
    unseen_a = before_a * share
    return np.where(_followed(state, samples), samples.moved_a, unseen_a).astype(np.float32)


def _unseen_variance(state: FilterState, samples: Samples) -> Floats:
    """Return by how much the variance of SOC grows where the current was not seen.

    The error of what is taken for the current lasts, so that the deviation grows with time, and
    many short steps come to the same as one long one.
    """
    before_s = state.unseen_s
    after_s = before_s + samples.elapsed_s
    grown = (_UNSEEN_C_RATE / _HOUR_S) ** 2 * (after_s**2 - before_s**2)
    return np.where(_followed(state, samples), 0, grown).astype(np.float32)


def _lagged(model: CellModel, before_a: Floats, samples: Samples, meanwhile_a: Floats) -> Floats:
    """Return the current behind each term's lag, shape (terms, racks)."""
    now_a = np.where(samples.current_good, samples.current_a, meanwhile_a)
    current_a = np.where(model.lag_s[:, None] > 0, meanwhile_a, now_a)
    kinetic_a = np.arcsinh(current_a / model.kinetic_a) * model.kinetic_a
    drives = np.where(model.kinetic[:, None], kinetic_a, current_a).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        keep = np.exp(-samples.elapsed_s / model.lag_s[:, None])
    keep = np.where(model.lag_s[:, None] > 0, keep, 0).astype(np.float32)
    return (keep * before_a + (1 - keep) * drives).astype(np.float32)
