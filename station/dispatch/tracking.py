"""Meter feedback: the meter, not the converters, must show the scheduled power.

Between the converters and the meter lie auxiliaries, transformer losses and the converters'
own errors. What the set-points in force should give without any correction is compared with
what the meter shows; the difference is integrated into a correction that is added to the next
set-points. Both sides of the comparison are of the same device second, so the delay of the
plant does not disturb it.

Anti-windup: the correction holds still while the converters have not reached their
set-points (ramp, trip), while a limit binds, and while data are stale; and it is bounded.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FeedbackSettings:
    """How strongly the meter is followed.

    Attributes:
        gain: part of the error taken over per second, 0..1.
        max_kw: bound of the correction.
        arrived_kw: converters within this distance of their set-points have arrived.
    """

    gain: float
    max_kw: float
    arrived_kw: float


@dataclass(frozen=True)
class FeedbackState:
    """The correction, kW, and the meter second it was last learned from."""

    correction_kw: float = 0.0
    meter_time_ms: int = 0


@dataclass(frozen=True)
class MeterSecond:
    """One second as meter and converters saw it, all sums in kW, NaN when not known."""

    time_ms: int
    meter_kw: float
    converters_kw: float
    setpoints_kw: float


def learn_correction(
    state: FeedbackState, second: MeterSecond, settings: FeedbackSettings, *, limited: bool
) -> FeedbackState:
    """Return the correction after one more second of the meter.

    Args:
        state: correction so far.
        second: what was measured; a second already learned from changes nothing.
        settings: gain and bounds.
        limited: a limit binds, so the error says nothing about the losses.
    """
    if second.time_ms <= state.meter_time_ms:
        return state
    seen = replace(state, meter_time_ms=second.time_ms)
    known = math.isfinite(second.meter_kw + second.converters_kw + second.setpoints_kw)
    if limited or not known:
        return seen
    if abs(second.setpoints_kw - second.converters_kw) > settings.arrived_kw:
        return seen
    elapsed_s = 1.0
    if state.meter_time_ms:
        elapsed_s = min(5.0, (second.time_ms - state.meter_time_ms) / 1000)
    error_kw = second.setpoints_kw - state.correction_kw - second.meter_kw
    step = 1.0 - (1.0 - settings.gain) ** elapsed_s
    corrected = state.correction_kw + step * error_kw
    return replace(seen, correction_kw=max(-settings.max_kw, min(settings.max_kw, corrected)))
