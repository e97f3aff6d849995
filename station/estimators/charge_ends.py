"""The sixteen numbers of the end of a charge, from a rack's own samples, as they come.

A rack is charged at a constant current until the voltage is high, and then at a falling current.
While it is, the time that each cell spends in each step of voltage is counted, and the time that
the rack spends in each step of current; at the end of the charge the numbers are made of these
counts. Nothing waits for the end of a file, and a sample that is lost costs its own time only.

Mean, deviation, skewness and excess kurtosis are those of samples evenly spaced in time. The
entropy is of the samples as shares of their sum, as many samples as the laboratory would have
taken. The slope is that of the steepest quarter: the last of the voltage's, the first of the
current's (Wang et al. 2024 do not define it; this comes nearest to the tables they published).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.cell_model import Floats
from station.estimators.samples import Flags, Indices, Samples
from station.estimators.soh_features import CHARGE_END, Series

_HOUR_S = 3600.0
_STEPS = 64
"""Of voltage and of current that times are counted in."""
_QUARTER = 0.25
_LEAST_SHARE = 0.9
"""Of the way through a window that must have been seen, from its first step to its last."""
IDLE, CONSTANT_CURRENT, CONSTANT_VOLTAGE = 0, 1, 2


@dataclass(frozen=True)
class ChargeEndRule:
    """What the end of a charge is, for one make of cell; currents are those of one cell, positive.

    Attributes:
        upper_v: where the charge of a cell ends.
        window_v: the last part of the constant-current charge that counts.
        slack_v: so far below the upper voltage a cell of a rack may end, when another ended it.
        from_a, to_a: the part of the falling current that counts.
        sample_s: period of the samples that the SOH model was trained on; only the entropies
            depend on it.
        same_current: a current that differs by less, as a share, is the same.
    """

    upper_v: float
    from_a: float
    to_a: float
    window_v: float = 0.2
    slack_v: float = 0.05
    sample_s: float = 5.0
    same_current: float = 0.01


@dataclass(frozen=True)
class ChargeEndState:
    """What is counted of the charges that go on.

    Attributes:
        rack: of each cell, shape (cells,).
        phase: IDLE, CONSTANT_CURRENT or CONSTANT_VOLTAGE of each rack, shape (racks,).
        current_a: mean of the constant-current part; steady_s: for how long; shape (racks,).
        voltage_s: time in each step of voltage, shape (cells, steps).
        current_s: time in each step of the falling current, shape (racks, steps).
        top_v: highest voltage at constant current, shape (cells,).
    """

    rack: Indices
    phase: npt.NDArray[np.int8]
    current_a: Floats
    steady_s: Floats
    voltage_s: Floats
    current_s: Floats
    top_v: Floats


def start_charge_ends(rack: Indices, racks: int) -> ChargeEndState:
    """Return the state before any sample."""
    return ChargeEndState(
        rack=rack,
        phase=np.zeros(racks, np.int8),
        current_a=np.zeros(racks, np.float32),
        steady_s=np.zeros(racks, np.float32),
        voltage_s=np.zeros((len(rack), _STEPS), np.float32),
        current_s=np.zeros((racks, _STEPS), np.float32),
        top_v=np.zeros(len(rack), np.float32),
    )


def step_charge_ends(
    rule: ChargeEndRule, state: ChargeEndState, samples: Samples
) -> tuple[ChargeEndState, Series | None]:
    """Take one moment.

    Returns:
        The state after it; and, when charges ended just now, the numbers of CHARGE_END of each
        cell, shape (cells, 16), NaN for cells of other racks and where a part was not complete.
    """
    if not (state.phase.any() or (samples.current_a < -rule.from_a).any()):
        return state, None
    charging_a = -samples.current_a
    seen = samples.current_good & (samples.elapsed_s > 0)
    before, reference_a = state.phase, np.maximum(state.current_a, np.float32(1e-9))
    same = np.abs(charging_a / reference_a - 1) <= rule.same_current
    high = _reached(rule, state)
    falls = (before == CONSTANT_CURRENT) & seen & ~same & high & (charging_a < reference_a)
    over = (before != IDLE) & seen & (charging_a <= rule.to_a)
    rises = (before == CONSTANT_VOLTAGE) & (charging_a > reference_a * (1 + rule.same_current))
    begins = seen & (charging_a > rule.from_a) & ~falls
    begins &= (before == IDLE) | ((before == CONSTANT_CURRENT) & ~same) | rises

    numbers = _numbers(rule, state, over & high) if (over & high).any() else None
    state = _cleared(state, begins | over, np.where(begins, charging_a, 0).astype(np.float32))
    phase = state.phase.copy()
    phase[falls], phase[over], phase[begins] = CONSTANT_VOLTAGE, IDLE, CONSTANT_CURRENT
    state = _steadied(replace(state, phase=phase), samples, (phase == CONSTANT_CURRENT) & seen)
    _count_voltage(rule, state, samples, (phase == CONSTANT_CURRENT) & seen)
    _count_current(rule, state, samples, (phase == CONSTANT_VOLTAGE) & seen)
    return state, numbers


def _reached(rule: ChargeEndRule, state: ChargeEndState) -> Flags:
    """Return which racks have a cell near the upper voltage, shape (racks,)."""
    reached = np.zeros(len(state.phase), bool)
    reached[state.rack[state.top_v >= rule.upper_v - rule.slack_v]] = True
    return reached


def _cleared(state: ChargeEndState, racks: Flags, current_a: Floats) -> ChargeEndState:
    """Return the state with nothing counted of some racks, and their current known anew."""
    if not racks.any():
        return state
    cells = racks[state.rack][:, None]
    return replace(
        state,
        current_a=np.where(racks, current_a, state.current_a),
        steady_s=np.where(racks, np.float32(0), state.steady_s),
        voltage_s=np.where(cells, np.float32(0), state.voltage_s),
        current_s=np.where(racks[:, None], np.float32(0), state.current_s),
        top_v=np.where(cells[:, 0], np.float32(0), state.top_v),
    )


def _steadied(state: ChargeEndState, samples: Samples, racks: Flags) -> ChargeEndState:
    """Return the state with the sample in the mean of the constant current of some racks.

    The tables of times are new ones, too, so that the caller may add to them.
    """
    steady_s = np.where(racks, state.steady_s + samples.elapsed_s, state.steady_s)
    share = np.where(racks, samples.elapsed_s / np.maximum(steady_s, np.float32(1e-9)), 0)
    current_a = state.current_a + share * (-samples.current_a - state.current_a)
    return replace(
        state,
        current_a=current_a.astype(np.float32),
        steady_s=steady_s.astype(np.float32),
        voltage_s=state.voltage_s.copy(),
        current_s=state.current_s.copy(),
        top_v=state.top_v.copy(),
    )


def _count_voltage(
    rule: ChargeEndRule, state: ChargeEndState, samples: Samples, racks: Flags
) -> None:
    """Add the time of a sample to its step of voltage; the arrays are the state's own by now."""
    low_v, step_v = _voltage_steps(rule)
    volts = samples.voltage_v
    cells = np.flatnonzero(racks[state.rack] & samples.voltage_good & (volts >= low_v))
    place = np.minimum(((volts[cells] - low_v) / step_v).astype(np.intp), _STEPS - 1)
    state.voltage_s[cells, place] += samples.elapsed_s[state.rack[cells]]
    state.top_v[cells] = np.maximum(state.top_v[cells], volts[cells])


def _count_current(
    rule: ChargeEndRule, state: ChargeEndState, samples: Samples, racks: Flags
) -> None:
    charging_a = -samples.current_a
    inside = np.flatnonzero(racks & (charging_a <= rule.from_a) & (charging_a > rule.to_a))
    share = (rule.from_a - charging_a[inside]) / (rule.from_a - rule.to_a)
    place = np.minimum((share * _STEPS).astype(np.intp), _STEPS - 1)
    state.current_s[inside, place] += samples.elapsed_s[inside]


def _voltage_steps(rule: ChargeEndRule) -> tuple[float, float]:
    """Return the lowest voltage that is counted, and the width of a step."""
    reach_v = rule.window_v + rule.slack_v
    return rule.upper_v - reach_v, (reach_v + rule.slack_v / 5) / _STEPS


def _numbers(rule: ChargeEndRule, state: ChargeEndState, racks: Flags) -> Series:
    """Return the numbers of the cells of racks, NaN for the others and for parts not complete."""
    numbers = np.full((len(state.rack), len(CHARGE_END)), np.nan)
    cells = np.flatnonzero(racks[state.rack] & (state.top_v >= rule.upper_v - rule.slack_v))
    low_v, step_v = _voltage_steps(rule)
    volts = low_v + (np.arange(_STEPS) + 0.5) * step_v
    top_v = state.top_v[cells, None].astype(np.float64)
    window = (volts > top_v - rule.window_v) & (volts < top_v + step_v)
    time_s = np.where(window, state.voltage_s[cells], 0.0)
    charge = state.current_a[state.rack[cells]] / _HOUR_S
    # The very top is left out: there the current has begun to fall, but not yet by enough.
    late = window & (volts > top_v - _QUARTER * rule.window_v) & (volts < top_v - step_v)
    quarter = (time_s * late).sum(axis=1)
    numbers[cells, :8] = _described(
        np.broadcast_to(volts, time_s.shape), time_s, late.sum(axis=1) * step_v, quarter, rule
    )
    numbers[cells, 4] = charge * time_s.sum(axis=1)

    fall_a = rule.from_a - rule.to_a
    amperes = rule.from_a - (np.arange(_STEPS) + 0.5) / _STEPS * fall_a
    time_s = state.current_s[state.rack[cells]].astype(np.float64)
    early = time_s[:, : int(_STEPS * _QUARTER)].sum(axis=1)
    numbers[cells, 8:] = _described(
        np.broadcast_to(amperes, time_s.shape), time_s, np.array(-_QUARTER * fall_a), early, rule
    )
    numbers[cells, 12] = (amperes * time_s).sum(axis=1) / _HOUR_S
    rose = _complete(window, state.voltage_s[cells])
    fell = _complete(np.ones(time_s.shape, bool), time_s)
    numbers[cells[~rose], :8] = np.nan
    numbers[cells[~fell], 8:] = np.nan
    return numbers


def _complete(window: Flags, time_s: npt.NDArray[np.floating]) -> Flags:
    """Return which windows have been passed from end to end.

    A fast stretch may jump over steps between two samples; both ends must be there.
    """
    steps = window.shape[1]
    passed = (time_s > 0) & window
    first = np.argmax(window, axis=1)
    last = steps - 1 - np.argmax(window[:, ::-1], axis=1)
    reach = np.maximum(last - first + 1, 1)
    begin = np.argmax(passed, axis=1)
    end = steps - 1 - np.argmax(passed[:, ::-1], axis=1)
    complete: Flags = passed.any(axis=1) & ((end - begin + 1) >= _LEAST_SHARE * reach)
    return complete


def _described(
    values: Series, time_s: Series, quarter: Series, quarter_s: Series, rule: ChargeEndRule
) -> Series:
    """Return mean, deviation, kurtosis, skewness, (charge), time, slope, entropy; a row a cell."""
    total_s = time_s.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = time_s / total_s[:, None]
        mean = (weight * values).sum(axis=1)
        away = values - mean[:, None]
        variance = (weight * away**2).sum(axis=1)
        skewness = (weight * away**3).sum(axis=1) / variance**1.5
        kurtosis = (weight * away**4).sum(axis=1) / variance**2 - 3
        share = values / mean[:, None]
        entropy = np.log(total_s / rule.sample_s) - (weight * share * np.log(share)).sum(axis=1)
        slope = quarter / quarter_s
    none = np.full_like(mean, np.nan)
    columns = [mean, np.sqrt(variance), kurtosis, skewness, none, total_s, slope, entropy]
    described = np.column_stack(columns)
    return np.where(np.isfinite(described), described, np.nan)
