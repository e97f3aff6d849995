"""Resistance of every cell against that of a new one, slow and with an interval.

Three witnesses. Under load, what the voltage lies off the open circuit, over what the table's
resistances foretell: the errors of the open-circuit table and of SOC last until SOC has moved on,
that of the hysteresis until the current has turned, so that a visit counts by the charge that was
moved since the one before. The jump of the voltage at a jump of the current, against the jump
foretold (pulse method, IEC 61960-3, clause 7.7). And how far the voltage has come back half a
minute after a load has ended, against what is foretold of that. Each is folded in by its weight.
What the table itself has wrong is in every measurement: the interval never becomes narrower than
that.
"""

from dataclasses import dataclass

import numpy as np

from station.estimators.cell_model import FIRST_TERM_COLUMN, NORMAL_90, CellModel, Floats
from station.estimators.relaxation import RelaxationRule, Relaxations
from station.estimators.samples import Flags, Halves, Indices, Samples
from station.estimators.visit import Visit, put

_PRIOR_SD = 0.2
"""Cells as delivered scatter less, but a station may be given cells of any age."""
_TABLE_SD = 0.02
"""What the table has wrong does not average out; it also keeps the estimate open to ageing."""
_LEAST_LOAD_V = 0.01
_HYSTERESIS_SHARE = 0.3
"""How far the hysteresis of the moment may be off, of itself."""
_GATE = 9.0
_BOUNDS = (0.3, 6.0)
_LARGEST_STEP = 0.05
_PULSE_C_RATE = 0.2
_PULSE_LONGEST_S = 3.0
_SENSOR_V = 0.003
_TOGETHER_SD = 0.25
"""Current and voltage are not read at the same moment: a jump's error as a share of itself."""
_LOAD_C_RATE, _REST_C_RATE = 0.1, 0.012
_RELAXED_S = 30.0
"""Later the voltage goes on by diffusion that no table of a few lags foretells."""
_RELAXED_SD = 0.3
"""Its own error as a share of itself: the hysteresis moves, too, and the jump that began the rest
has been a witness already."""


@dataclass(frozen=True)
class ResistanceState:
    """What is known of the resistance of each cell.

    Attributes:
        ratio: against new, shape (cells,).
        sd: its standard deviation, shape (cells,); half precision: a witness that moves it by
            less than a thousandth tells nothing.
        before_a: current of the moment before; NaN when not known, shape (racks,).
    """

    ratio: Floats
    sd: Halves
    before_a: Floats


def new_cells(cells: int, racks: int) -> ResistanceState:
    """Return the state of cells that are taken for new."""
    return ResistanceState(
        ratio=np.ones(cells, np.float32),
        sd=np.full(cells, _PRIOR_SD, np.float16),
        before_a=np.full(racks, np.nan, np.float32),
    )


def half_width(state: ResistanceState) -> Floats:
    """Return half of the interval that is to hold the ratio nine times in ten."""
    return (np.float32(NORMAL_90) * state.sd.astype(np.float32)).astype(np.float32)


def look(model: CellModel, state: ResistanceState, moved: Floats, visit: Visit) -> ResistanceState:
    """Return the state after the voltages of the cells whose turn it is.

    Args:
        model: the make.
        state: before.
        moved: charge since each rack's turn before, either way, a share of the nominal
            capacity, shape (racks,).
        visit: the cells.
    """
    load_v = visit.overpotential_v
    counts = np.minimum(moved[visit.racks], 1)[visit.turn]
    known = (np.abs(load_v) > _LEAST_LOAD_V) & (counts > 0)
    known &= ~visit.searching & (visit.innovation_v != 0)
    load_v, counts = np.where(known, load_v, 1), np.where(known, counts, 1)
    off_v = visit.innovation_v + visit.ocv_error_v
    found = 1 + visit.resistance_error - off_v / load_v
    of_soc_v = visit.soc_sd * visit.ocv_slope_v
    lasting = (model.noise.ocv_v**2 + _SENSOR_V**2 + of_soc_v**2) * model.noise.ocv_soc_span
    volts2 = (lasting + (_HYSTERESIS_SHARE * visit.hysteresis_v) ** 2) / counts
    found_sd: Floats = (np.sqrt(volts2) / np.abs(load_v)).astype(np.float32)
    sd = state.sd[visit.cells].astype(np.float32)
    ratio, sd = _folded(state.ratio[visit.cells], sd, found, found_sd, known)
    return ResistanceState(
        put(state.ratio, visit.cells, ratio),
        put(state.sd, visit.cells, sd.astype(np.float16)),
        state.before_a,
    )


def pulse(
    model: CellModel,
    state: ResistanceState,
    rack: Indices,
    samples: Samples,
    before: tuple[Floats, Floats],
) -> ResistanceState:
    """Return the state after one moment, in which the current of some racks may have jumped.

    Args:
        model: the make.
        state: before.
        rack: of each cell.
        samples: of the moment.
        before: voltages believed at the moment before, NaN: none, and SOC, shape (cells,).
    """
    before_v, soc = before
    good = samples.current_good & np.isfinite(samples.current_a)
    now_a = np.where(good, samples.current_a, np.nan).astype(np.float32)
    jump_a = now_a - state.before_a
    jumped = np.abs(jump_a) > _PULSE_C_RATE * model.capacity_ah
    jumped &= (samples.elapsed_s > 0) & (samples.elapsed_s <= _PULSE_LONGEST_S)
    after = ResistanceState(state.ratio, state.sd, now_a)
    cells = np.flatnonzero(jumped[rack])
    if not len(cells):
        return after
    step_v = _foretold(model, samples.elapsed_s, now_a, state.before_a)
    known_c = np.where(np.isfinite(samples.temperature_c), samples.temperature_c, 25.0)
    values, _ = model.look_up(soc[cells], known_c[cells].astype(np.float32))
    expected = np.einsum("tc,tc->c", values[FIRST_TERM_COLUMN:], step_v[:, rack[cells]])
    jump_v = before_v[cells] - samples.voltage_v[cells]
    usable = np.isfinite(jump_v) & samples.voltage_good[cells]
    usable &= np.abs(expected) > _SENSOR_V
    expected = np.where(usable, expected, 1)
    found = np.where(usable, jump_v / expected, 1)
    found_sd = np.hypot(_SENSOR_V * 2**0.5 / np.abs(expected), _TOGETHER_SD)
    sd = state.sd[cells].astype(np.float32)
    ratio, sd = _folded(state.ratio[cells], sd, found, found_sd, usable)
    return ResistanceState(
        put(state.ratio, cells, ratio), put(state.sd, cells, sd.astype(np.float16)), now_a
    )


def rests_of(model: CellModel) -> RelaxationRule:
    """Return what a load and a rest are for a make."""
    size_ah = model.capacity_ah
    return RelaxationRule(_LOAD_C_RATE * size_ah, _REST_C_RATE * size_ah, marks_s=(_RELAXED_S,))


def relaxed(
    model: CellModel,
    state: ResistanceState,
    rack: Indices,
    told: Relaxations,
    known: tuple[Floats, Floats],
) -> ResistanceState:
    """Return the state after the voltages of some racks have relaxed.

    Args:
        model: the make.
        state: before.
        rack: of each cell.
        told: what relaxed, by the rule of rests_of.
        known: SOC, and temperature inside, shape (cells,).
    """
    cells = np.flatnonzero(np.isfinite(told.ohm[:, 0]))
    soc, temperature_c = known
    values, _ = model.look_up(soc[cells], temperature_c[cells].astype(np.float32))
    before_a = told.before_a[rack[cells]]
    kinetic = np.arcsinh(before_a / model.kinetic_a) * model.kinetic_a
    drive = np.where(model.kinetic[:, None], kinetic, before_a)
    lag_s = np.maximum(model.lag_s, np.float32(1e-6))[:, None]
    drive = drive * np.expm1(-told.load_s[rack[cells]] / lag_s) * np.expm1(-_RELAXED_S / lag_s)
    expected_v = np.einsum("tc,tc->c", values[FIRST_TERM_COLUMN:], drive)
    usable = np.abs(expected_v) > _SENSOR_V
    expected_v = np.where(usable, expected_v, 1)
    found = np.where(usable, told.ohm[cells, 0] * before_a / expected_v, 1)
    found_sd = np.hypot(_SENSOR_V * 2**0.5 / np.abs(expected_v), _RELAXED_SD)
    sd = state.sd[cells].astype(np.float32)
    ratio, sd = _folded(state.ratio[cells], sd, found, found_sd, usable)
    return ResistanceState(
        put(state.ratio, cells, ratio), put(state.sd, cells, sd.astype(np.float16)), state.before_a
    )


def _foretold(model: CellModel, elapsed_s: Floats, now_a: Floats, before_a: Floats) -> Floats:
    """Return what drives each term's resistance at the jumps, in A, shape (terms, racks)."""
    currents = np.stack([now_a, before_a])[:, None, :]
    kinetic = np.arcsinh(currents / model.kinetic_a) * model.kinetic_a
    now, before = np.where(model.kinetic[:, None], kinetic, currents)
    lag_s = np.maximum(model.lag_s, np.float32(1e-6))[:, None]
    drive: Floats = ((now - before) * -np.expm1(-elapsed_s / lag_s)).astype(np.float32)
    return drive


def _folded(
    ratio: Floats, sd: Floats, found: Floats, found_sd: Floats, where: Flags
) -> tuple[Floats, Floats]:
    away = np.clip(found, *_BOUNDS) - ratio
    variance = sd**2 + found_sd**2
    gate = np.maximum(away**2 / variance / _GATE, 1)
    weight = sd**2 / (sd**2 + found_sd**2 * gate)
    step = np.clip(weight * away, -_LARGEST_STEP, _LARGEST_STEP)
    new_sd = np.maximum(np.sqrt(1 - weight) * sd, np.minimum(sd, _TABLE_SD))
    return (
        np.where(where, ratio + step, ratio).astype(np.float32),
        np.where(where, new_sd, sd).astype(np.float32),
    )
