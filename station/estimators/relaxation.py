"""How a cell's voltage relaxes when its current stops: what the slow part of its resistance is.

When a rack that was under load comes to rest, the voltage of each cell is noted at the stop and
some times later. Over the current before the stop, the first change is the resistance of seconds
and the later ones that of diffusion; they grow with age, and need no charge to its end (Zhu et al.
2022, Nature Communications 13:2261, estimate capacity from the relaxation alone).
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.cell_model import Floats
from station.estimators.samples import Flags, Indices, Samples

_NEVER = np.float32(-1.0)


@dataclass(frozen=True)
class RelaxationRule:
    """What a load and a rest are; currents are those of one cell.

    Attributes:
        load_a: at least so much, either way, is a load; rest_a: at most so much is a rest.
        least_load_s: so long a load must have lasted.
        marks_s: when the voltage is noted, rising.
    """

    load_a: float
    rest_a: float
    least_load_s: float = 300.0
    marks_s: tuple[float, ...] = (30.0, 600.0, 1800.0)


@dataclass(frozen=True)
class RelaxationState:
    """What is known of the loads and rests that go on.

    Attributes:
        rack: of each cell, shape (cells,).
        load_s, before_a: how long the load has lasted, its last current; shape (racks,).
        rest_s: since the current stopped, -1 where it has not; shape (racks,).
        stop_v: at the last sample under load, shape (cells,), while a rack rests; else (0,).
        noted_v: at the marks but the last, which is told at once; NaN where not yet, shape
            (cells, marks - 1).
    """

    rack: Indices
    load_s: Floats
    before_a: Floats
    rest_s: Floats
    stop_v: Floats
    noted_v: Floats


@dataclass(frozen=True)
class Relaxations:
    """Rests that ended or passed the last mark just now.

    Attributes:
        ohm: change of voltage since the stop over the current before it, shape (cells, marks);
            NaN for cells of other racks and marks that were not reached.
        before_a: that current, discharge positive, shape (racks,).
        load_s: for how long it had flowed, at the least, shape (racks,).
    """

    ohm: Floats
    before_a: Floats
    load_s: Floats


def start_relaxations(rule: RelaxationRule, rack: Indices, racks: int) -> RelaxationState:
    """Return the state before any sample."""
    return RelaxationState(
        rack=rack,
        load_s=np.zeros(racks, np.float32),
        before_a=np.zeros(racks, np.float32),
        rest_s=np.full(racks, _NEVER),
        stop_v=np.zeros(0, np.float32),
        noted_v=np.full((len(rack), len(rule.marks_s) - 1), np.nan, np.float32),
    )


def step_relaxations(
    rule: RelaxationRule, state: RelaxationState, samples: Samples, before_v: Floats
) -> tuple[RelaxationState, Relaxations | None]:
    """Take one moment; a moment whose current was not seen ends a load and a rest.

    Args:
        rule: what loads and rests are.
        state: before the moment.
        samples: of the moment.
        before_v: voltages believed last before it, NaN where none was, shape (cells,).
    """
    size_a = np.abs(np.where(samples.current_good, samples.current_a, 0))
    seen = samples.current_good & (samples.elapsed_s > 0)
    loaded, still = seen & (size_a >= rule.load_a), seen & (size_a <= rule.rest_a)
    resting = state.rest_s >= 0
    stops = still & ~resting & (state.load_s >= rule.least_load_s)
    ends = resting & ~still
    rest_s = np.where(resting & still, state.rest_s + samples.elapsed_s, _NEVER)
    rest_s = np.where(stops, samples.elapsed_s, rest_s).astype(np.float32)
    done = ends | (rest_s >= rule.marks_s[-1])
    rests = bool((rest_s >= 0).any())
    if stops.any():
        state = replace(state, stop_v=_stopped(state, stops, before_v))
    noted_v = _noted(rule, state, samples, rest_s) if rests else _widened(state.noted_v)
    told = _told(rule, state, noted_v, done) if done.any() else None

    same_way = np.sign(samples.current_a) == np.sign(state.before_a)
    load_s = np.where(loaded & same_way, state.load_s + samples.elapsed_s, 0)
    load_s = np.where(loaded & ~same_way, samples.elapsed_s, load_s)
    rest_s = np.where(done, _NEVER, rest_s).astype(np.float32)
    after = replace(
        state,
        load_s=load_s.astype(np.float32),
        before_a=np.where(loaded, samples.current_a, state.before_a).astype(np.float32),
        rest_s=rest_s,
        stop_v=state.stop_v if (rest_s >= 0).any() else np.zeros(0, np.float32),
        noted_v=np.where((done | loaded)[state.rack][:, None], np.float32(np.nan), noted_v[:, :-1]),
    )
    return after, told


def _stopped(state: RelaxationState, stops: Flags, before_v: Floats) -> Floats:
    """Return the voltages at the stop, with those of the racks that stop just now."""
    stop_v = state.stop_v if len(state.stop_v) else np.full(len(state.rack), np.nan, np.float32)
    return np.where(stops[state.rack], before_v, stop_v).astype(np.float32)


def _widened(noted_v: Floats) -> Floats:
    """Return what was noted with a column for the last mark."""
    last = np.full((len(noted_v), 1), np.nan, np.float32)
    wide: Floats = np.hstack([noted_v, last])
    return wide


def _noted(
    rule: RelaxationRule, state: RelaxationState, samples: Samples, rest_s: Floats
) -> Floats:
    """Return the voltages at the marks, with those of the marks that have just been passed."""
    own_s = rest_s[state.rack][:, None]
    before_v = _widened(state.noted_v)
    due = (own_s >= np.array(rule.marks_s, np.float32)) & np.isnan(before_v)
    due &= samples.voltage_good[:, None]
    noted: Floats = np.where(due, samples.voltage_v[:, None], before_v).astype(np.float32)
    return noted


def _told(
    rule: RelaxationRule, state: RelaxationState, noted_v: Floats, done: Flags
) -> Relaxations | None:
    """Return what was noted of racks whose rest is done, or None where nothing was."""
    change_v = np.where(done[state.rack][:, None], noted_v - state.stop_v[:, None], np.nan)
    if not np.isfinite(change_v).any():
        return None
    before_a = np.where(done, state.before_a, np.float32(np.nan)).astype(np.float32)
    ohm = change_v / before_a[state.rack][:, None]
    least_s = np.full(len(done), rule.least_load_s, np.float32)
    return Relaxations(ohm.astype(np.float32), before_a, least_s)
