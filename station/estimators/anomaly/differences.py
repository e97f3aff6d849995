"""How each cell differs from its rack: a filter over the differences of voltage.

All cells of a rack carry one current, so what the make's model gets wrong is wrong for all of them
alike and falls out of a cell's difference from the rack's median. What is left has few causes, and
each is a state (bar-delta filtering: Plett 2009, World Electric Vehicle Journal 3):

    SOC        the cell is fuller or emptier than the rack, a share of 1
    leak       its SOC moves by itself, share per hour
    capacity   it is larger, a share: its SOC moves less
    resistance its overpotential is larger, a share
    offset     its sensor is off, or its open-circuit curve is another here, V

A difference of voltage is SOC times the slope of the open-circuit voltage, less resistance times
the rack's overpotential, plus the offset. Slope, overpotential and charge moved are the rack's, so
that one covariance serves all its cells: five numbers a cell.
"""

from dataclasses import dataclass

import numpy as np

from station.estimators.anomaly.inputs import Block, Place
from station.estimators.cell_model import FIRST_TERM_COLUMN, OCV_COLUMN, CellModel, Floats
from station.estimators.samples import Flags

SOC, LEAK, CAPACITY, RESISTANCE, OFFSET = range(5)
STATES = 5
SPREAD = np.array([0.006, 1e-4, 0.01, 0.07, 1.5e-3], np.float32)
"""One standard deviation over the cells of a delivered system, and of their sensors."""
_WANDER_PER_ROOT_H = np.array([3e-4, 2e-5, 5e-4, 8e-3, 2e-4], np.float32)
"""By how much a healthy cell's differences wander in an hour."""
_CURVE_V_PER_ROOT = np.float32(3e-3)
"""By how much a cell's open-circuit curve leaves its make's while its SOC moves, V per root of 1.
Between places a tenth apart healthy cells' curves differ by a millivolt; without it a cell that
has come to another place on its curve would be taken for one that has lost charge."""
_LEAST_NOISE_V = np.float32(2.5e-4)
_LASTS = np.float32(8.0)
"""Errors of so many neighbouring blocks err alike: each counts for so much less."""
_MEMORY_S = np.float32(4096.0)
_PAST_CELLS = np.float32(20.0)
_SAMPLE_NOISE_V = np.float32(1.2e-3)
_SOC_SD = np.float32(0.015)
"""How far off the SOC may be at which the slope is looked up."""
_SLOPE_ERROR = np.float32(0.2)
_LEAST_APART = np.float32(0.003)
_LEAST_SLOPE = np.float32(1e-3)
_MAD_TO_SD = np.float32(1.4826)
_FARTHEST_SD = np.float32(4.0)
_HOUR_S = np.float32(3600.0)


@dataclass(frozen=True)
class DifferenceState:
    """All cells of all racks.

    Attributes:
        mean: shape (5, cells).
        covariance: of each rack's cells, shape (5, 5, racks).
        noise_v: scatter of what the differences leave unexplained, shape (racks,).
        lagged: current behind the lag of each term, in 1/h, shape (terms, racks).
    """

    mean: Floats
    covariance: Floats
    noise_v: Floats
    lagged: Floats


@dataclass(frozen=True)
class Surprise:
    """What a block's differences said against the expectation.

    Attributes:
        volts: shape (cells,); 0 where no voltage was good.
        expected_v: its deviation over healthy cells, shape (cells,).
        drop_v: the rack's overpotential, shape (racks,).
        ohmic_v: the difference of what the cell's voltage makes of the current's moves within
            the block, V per 1/h, shape (cells,).
        ohmic_sd: its noise, shape (racks,).
    """

    volts: Floats
    expected_v: Floats
    drop_v: Floats
    ohmic_v: Floats
    ohmic_sd: Floats


def no_differences(place: Place, terms: int) -> DifferenceState:
    """Return the state of cells of which nothing is known but what cells are like."""
    covariance = np.zeros((STATES, STATES, place.racks), np.float32)
    for i, spread in enumerate(SPREAD):
        covariance[i, i] = spread**2
    return DifferenceState(
        mean=np.zeros((STATES, len(place.rack)), np.float32),
        covariance=covariance,
        noise_v=np.full(place.racks, 1e-3, np.float32),
        lagged=np.zeros((terms, place.racks), np.float32),
    )


def follow(
    model: CellModel, state: DifferenceState, block: Block, place: Place
) -> tuple[DifferenceState, Surprise]:
    """Take one block of all racks: move the differences, then correct them by the voltages."""
    hours = block.span_s / _HOUR_S
    mean, covariance = _moved(state, block.current * hours, hours, place)
    lagged = _lagged(model, state.lagged, block)
    slope, doubt, drop_v, ohmic_ohm_ah = _rack_values(model, block, lagged, place)

    rack = place.rack
    good = np.isfinite(block.voltage_v)
    off_v = block.voltage_v - place.median(block.voltage_v)[rack]
    expected_v = slope[rack] * mean[SOC] - drop_v[rack] * mean[RESISTANCE] + mean[OFFSET]
    volts = np.where(good, off_v - expected_v, 0).astype(np.float32)
    scatter_v = _MAD_TO_SD * np.nan_to_num(place.median(np.where(good, np.abs(volts), np.nan)))
    keep = np.exp(-block.span_s / _MEMORY_S)
    noise_v = np.where(
        block.span_s > 0,
        np.sqrt(keep * state.noise_v**2 + (1 - keep) * scatter_v**2),
        state.noise_v,
    )
    noise_v = np.maximum(noise_v, _LEAST_NOISE_V).astype(np.float32)
    # A large rack tells its scatter of the moment; that of a small one leans on the past.
    count = place.count.astype(np.float32)
    now = (count * scatter_v**2 + _PAST_CELLS * noise_v**2) / (count + _PAST_CELLS)
    unexplained = np.maximum(now, _LEAST_NOISE_V**2)[rack]
    expected_noise = unexplained + (doubt[rack] * _apart(mean[SOC])) ** 2
    apart = _apart(np.minimum(np.abs(mean[SOC]), _soc_of(off_v, slope, place)))
    variance = unexplained + (doubt[rack] * apart) ** 2

    zero, one = np.zeros_like(slope), np.ones_like(slope)
    rows = np.stack([slope, zero, zero, -drop_v, one])
    known = np.einsum("ir,ijr,jr->r", rows, covariance, rows)
    expected_sd = np.sqrt(expected_noise + known[rack]).astype(np.float32)
    mean, covariance = _correct(
        mean, covariance, rows, volts, _LASTS * variance, good=good, place=place
    )

    ohmic = block.voltage_on_current - place.median(block.voltage_on_current)[rack]
    ohmic = np.where(good, np.nan_to_num(ohmic), 0).astype(np.float32)
    moves = block.current_variance + np.float32(1e-9)
    ohmic_sd = _SAMPLE_NOISE_V * np.sqrt(moves / 16).astype(np.float32)
    rows = np.stack([zero, zero, zero, -ohmic_ohm_ah * moves, zero])
    ohmic_off = ohmic + (ohmic_ohm_ah * moves)[rack] * mean[RESISTANCE]
    ohmic_variance = (_LASTS * (ohmic_sd**2 + (0.02 * ohmic_ohm_ah * moves) ** 2))[rack]
    mean, covariance = _correct(
        mean, covariance, rows, ohmic_off, ohmic_variance, good=good, place=place
    )
    after = DifferenceState(mean, covariance, noise_v, lagged)
    return after, Surprise(volts, expected_sd, drop_v, ohmic_off, ohmic_sd)


def _apart(soc: Floats) -> Floats:
    """Return by how much SOC differs, for the doubt that an uncertain slope makes of it."""
    return np.maximum(np.abs(soc), _LEAST_APART)


def _soc_of(off_v: Floats, slope: Floats, place: Place) -> Floats:
    """Return by how much SOC would differ if it made all of a difference of voltage.

    Where the curve is steep, cells that show one voltage have one SOC, however steep it is: a
    doubtful slope then leaves no doubt, and what was thought of a cell on the flat is corrected.
    """
    steep = np.maximum(np.abs(slope), _LEAST_SLOPE)[place.rack]
    soc: Floats = (np.abs(np.nan_to_num(off_v)) / steep).astype(np.float32)
    return soc


def _moved(
    state: DifferenceState, drawn: Floats, hours: Floats, place: Place
) -> tuple[Floats, Floats]:
    """Return mean and covariance before the correction; drawn: charge as a share of capacity."""
    rack = place.rack
    mean = state.mean.copy()
    mean[SOC] += mean[LEAK] * hours[rack] + mean[CAPACITY] * drawn[rack]
    forward = np.zeros_like(state.covariance)
    forward[np.arange(STATES), np.arange(STATES)] = 1
    forward[SOC, LEAK] = hours
    forward[SOC, CAPACITY] = drawn
    covariance = np.einsum("ijr,jkr,lkr->ilr", forward, state.covariance, forward)
    for i in range(STATES):
        covariance[i, i] += _WANDER_PER_ROOT_H[i] ** 2 * hours
        if i == OFFSET:
            covariance[i, i] += _CURVE_V_PER_ROOT**2 * np.abs(drawn)
        if i != SOC:
            np.minimum(covariance[i, i], SPREAD[i] ** 2, out=covariance[i, i])
    return mean, covariance.astype(np.float32)


def _lagged(model: CellModel, before: Floats, block: Block) -> Floats:
    kinetic_c = np.float32(model.kinetic_a / model.capacity_ah)
    kinetic = np.arcsinh(block.current / kinetic_c) * kinetic_c
    drives = np.where(model.kinetic[:, None], kinetic, block.current)
    with np.errstate(divide="ignore", invalid="ignore"):
        keep = np.exp(-block.span_s / model.lag_s[:, None])
    keep = np.where(model.lag_s[:, None] > 0, keep, 0)
    lagged: Floats = (keep * before + (1 - keep) * drives).astype(np.float32)
    return lagged


def _rack_values(
    model: CellModel, block: Block, lagged: Floats, place: Place
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return slope of the open circuit and its doubt in V, overpotential in V, ohm Ah at once."""
    temperature_c = np.nan_to_num(place.median(block.temperature_c), nan=25.0)
    soc = np.nan_to_num(block.soc, nan=0.5)
    near = [
        model.look_up((soc + shift * _SOC_SD).astype(np.float32), temperature_c)
        for shift in (-1, 0, 1)
    ]
    slopes = np.stack([found[1][OCV_COLUMN] for found in near])
    values = near[1][0]
    capacity = np.float32(model.capacity_ah)
    drop_v = capacity * np.einsum("tr,tr->r", values[FIRST_TERM_COLUMN:], lagged)
    at_once = values[FIRST_TERM_COLUMN:][model.lag_s < np.float32(2.0)]
    return (
        slopes.mean(axis=0),
        np.abs(slopes - slopes.mean(axis=0)).max(axis=0) + _SLOPE_ERROR * np.abs(slopes[1]),
        drop_v.astype(np.float32),
        (capacity * at_once.sum(axis=0)).astype(np.float32),
    )


def _correct(
    mean: Floats,
    covariance: Floats,
    rows: Floats,
    off: Floats,
    variance: Floats,
    *,
    good: Flags,
    place: Place,
) -> tuple[Floats, Floats]:
    """Correct by one measurement a cell; an innovation far out pulls no more than one at 4 sd."""
    rack = place.rack
    toward = np.einsum("ijr,jr->ir", covariance, rows)
    own = np.einsum("ir,ir->r", rows, toward)
    whole = own[rack] + variance
    limit = _FARTHEST_SD * np.sqrt(whole)
    pull = np.where(good, np.clip(off, -limit, limit) / whole, 0).astype(np.float32)
    mean = mean + toward[:, rack] * pull
    typical = own + place.median(variance.astype(np.float32))
    shrunk = covariance - toward[:, None] * toward[None] / typical
    for i in range(STATES):
        np.maximum(shrunk[i, i], np.float32(1e-12), out=shrunk[i, i])
    return mean.astype(np.float32), shrunk.astype(np.float32)
