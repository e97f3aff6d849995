"""The sixteen numbers of the end of a charge, from a rack's own samples, as they come.

A rack is charged at a constant current until the voltage is high, and then at a falling current.
While it is, the time that each cell spends in each step of voltage is counted, and the time that
the rack spends in each step of current; at the end of the charge the numbers are made of these
counts. Only a rack one of whose cells is in the last window of voltage keeps counts: some
260 bytes a cell, until its charge ends. Nothing waits for the end of a file, and a sample that is
lost costs its own time only.

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

    def __post_init__(self) -> None:
        """Refuse a charge that has no end.

        Raises:
            ValueError: with what must be.
        """
        if not self.from_a > self.to_a > 0:
            raise ValueError("from_a must be above to_a, and to_a above 0")
        if not self.upper_v > self.window_v + self.slack_v or min(self.window_v, self.slack_v) <= 0:
            raise ValueError("window_v and slack_v must be above 0 and together below upper_v")


@dataclass(frozen=True)
class Window:
    """What is counted of racks a cell of which is in its last window; others take no memory.

    Attributes:
        racks: ascending, shape (k,); cells: of them all, shape (m,).
        place: which of `racks` each cell belongs to, shape (m,).
        voltage_s: time in each step of voltage, shape (m, steps).
        top_v: highest voltage at constant current, shape (m,).
        current_s: time in each step of the falling current, shape (k, steps).
    """

    racks: Indices
    cells: Indices
    place: Indices
    voltage_s: Floats
    top_v: Floats
    current_s: Floats


@dataclass(frozen=True)
class ChargeEndState:
    """What is counted of the charges that go on.

    Attributes:
        rack: of each cell, shape (cells,).
        phase: IDLE, CONSTANT_CURRENT or CONSTANT_VOLTAGE of each rack, shape (racks,).
        current_a: mean of the constant-current part; steady_s: for how long; shape (racks,).
        window: of the racks that are near their end.
    """

    rack: Indices
    phase: npt.NDArray[np.int8]
    current_a: Floats
    steady_s: Floats
    window: Window


def start_charge_ends(rack: Indices, racks: int) -> ChargeEndState:
    """Return the state before any sample."""
    none = np.zeros(0, np.intp)
    return ChargeEndState(
        rack=rack,
        phase=np.zeros(racks, np.int8),
        current_a=np.zeros(racks, np.float32),
        steady_s=np.zeros(racks, np.float32),
        window=Window(
            *(none, none, none),
            voltage_s=np.zeros((0, _STEPS), np.float32),
            top_v=np.zeros(0, np.float32),
            current_s=np.zeros((0, _STEPS), np.float32),
        ),
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
    phase = before.copy()
    phase[falls], phase[over], phase[begins] = CONSTANT_VOLTAGE, IDLE, CONSTANT_CURRENT
    constant = (phase == CONSTANT_CURRENT) & seen
    state = _steadied(replace(state, phase=phase), samples, begins | over, constant)
    window = _following(rule, state, samples, begins | over, constant)
    _count_voltage(rule, window, samples, constant)
    _count_current(rule, window, samples, (phase == CONSTANT_VOLTAGE) & seen)
    return replace(state, window=window), numbers


def _reached(rule: ChargeEndRule, state: ChargeEndState) -> Flags:
    """Return which racks have a cell near the upper voltage, shape (racks,)."""
    reached, window = np.zeros(len(state.phase), bool), state.window
    high = window.top_v >= rule.upper_v - rule.slack_v
    reached[window.racks[window.place[high]]] = True
    return reached


def _steadied(
    state: ChargeEndState, samples: Samples, anew: Flags, constant: Flags
) -> ChargeEndState:
    """Return the state with the sample in the mean of the constant current of some racks."""
    begun_a = np.where(anew, -samples.current_a, state.current_a)
    steady_s = np.where(anew, np.float32(0), state.steady_s)
    steady_s = np.where(constant, steady_s + samples.elapsed_s, steady_s)
    share = np.where(constant, samples.elapsed_s / np.maximum(steady_s, np.float32(1e-9)), 0)
    current_a = begun_a + share * (-samples.current_a - begun_a)
    return replace(
        state, current_a=current_a.astype(np.float32), steady_s=steady_s.astype(np.float32)
    )


def _following(
    rule: ChargeEndRule, state: ChargeEndState, samples: Samples, anew: Flags, constant: Flags
) -> Window:
    """Return the window of the racks that are in it now, with arrays that may be added to."""
    window = state.window
    held = np.zeros(len(state.phase), bool)
    held[window.racks] = True
    left = held & ~anew
    enters = np.zeros(len(state.phase), bool)
    closed = constant & ~left
    if closed.any():
        low_v, _ = _voltage_steps(rule)
        inside = samples.voltage_good & (samples.voltage_v >= low_v) & closed[state.rack]
        enters[state.rack[inside]] = True
    wanted = left | enters
    racks, cells = np.flatnonzero(wanted), np.flatnonzero(wanted[state.rack])
    stays, stay = left[window.racks], left[window.racks][window.place]
    now = Window(
        racks=racks,
        cells=cells,
        place=np.searchsorted(racks, state.rack[cells]),
        voltage_s=np.zeros((len(cells), _STEPS), np.float32),
        top_v=np.zeros(len(cells), np.float32),
        current_s=np.zeros((len(racks), _STEPS), np.float32),
    )
    at = np.searchsorted(cells, window.cells[stay])
    now.voltage_s[at], now.top_v[at] = window.voltage_s[stay], window.top_v[stay]
    now.current_s[np.searchsorted(racks, window.racks[stays])] = window.current_s[stays]
    return now


def _count_voltage(rule: ChargeEndRule, window: Window, samples: Samples, racks: Flags) -> None:
    """Add the time of a sample to its step of voltage."""
    low_v, step_v = _voltage_steps(rule)
    volts = samples.voltage_v[window.cells]
    counts = racks[window.racks][window.place] & samples.voltage_good[window.cells]
    rows = np.flatnonzero(counts & (volts >= low_v))
    place = np.minimum(((volts[rows] - low_v) / step_v).astype(np.intp), _STEPS - 1)
    window.voltage_s[rows, place] += samples.elapsed_s[window.racks[window.place[rows]]]
    window.top_v[rows] = np.maximum(window.top_v[rows], volts[rows])


def _count_current(rule: ChargeEndRule, window: Window, samples: Samples, racks: Flags) -> None:
    charging_a = -samples.current_a[window.racks]
    inside = racks[window.racks] & (charging_a <= rule.from_a) & (charging_a > rule.to_a)
    rows = np.flatnonzero(inside)
    share = (rule.from_a - charging_a[rows]) / (rule.from_a - rule.to_a)
    place = np.minimum((share * _STEPS).astype(np.intp), _STEPS - 1)
    window.current_s[rows, place] += samples.elapsed_s[window.racks[rows]]


def _voltage_steps(rule: ChargeEndRule) -> tuple[float, float]:
    """Return the lowest voltage that is counted, and the width of a step."""
    reach_v = rule.window_v + rule.slack_v
    return rule.upper_v - reach_v, (reach_v + rule.slack_v / 5) / _STEPS


def _numbers(rule: ChargeEndRule, state: ChargeEndState, racks: Flags) -> Series:
    """Return the numbers of the cells of racks, NaN for the others and for parts not complete."""
    numbers = np.full((len(state.rack), len(CHARGE_END)), np.nan)
    window = state.window
    high = window.top_v >= rule.upper_v - rule.slack_v
    rows = np.flatnonzero(racks[window.racks][window.place] & high)
    cells, place = window.cells[rows], window.place[rows]
    low_v, step_v = _voltage_steps(rule)
    volts = low_v + (np.arange(_STEPS) + 0.5) * step_v
    top_v = window.top_v[rows, None].astype(np.float64)
    last = (volts > top_v - rule.window_v) & (volts < top_v + step_v)
    time_s = np.where(last, window.voltage_s[rows], 0.0)
    charge = state.current_a[state.rack[cells]] / _HOUR_S
    # The very top is left out: there the current has begun to fall, but not yet by enough.
    late = last & (volts > top_v - _QUARTER * rule.window_v) & (volts < top_v - step_v)
    quarter = (time_s * late).sum(axis=1)
    numbers[cells, :8] = _described(
        np.broadcast_to(volts, time_s.shape), time_s, late.sum(axis=1) * step_v, quarter, rule
    )
    numbers[cells, 4] = charge * time_s.sum(axis=1)

    fall_a = rule.from_a - rule.to_a
    amperes = rule.from_a - (np.arange(_STEPS) + 0.5) / _STEPS * fall_a
    time_s = window.current_s[place].astype(np.float64)
    early = time_s[:, : int(_STEPS * _QUARTER)].sum(axis=1)
    numbers[cells, 8:] = _described(
        np.broadcast_to(amperes, time_s.shape), time_s, np.array(-_QUARTER * fall_a), early, rule
    )
    numbers[cells, 12] = (amperes * time_s).sum(axis=1) / _HOUR_S
    rose = _complete(last, window.voltage_s[rows])
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
