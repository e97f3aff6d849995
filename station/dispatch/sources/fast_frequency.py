"""Fast frequency response: a fixed power at once when the frequency falls or races.

It triggers on a threshold or on the rate of change of frequency, gives its full power in the
same step, holds it for a time after the trigger has gone, and then lets go along a ramp so
that the grid is not hit a second time. A trigger in the other direction takes over at once.

The rate of change is the slope of the straight line through the last half second of samples:
shorter windows answer to phase jumps, which are no change of frequency (ENTSO-E's guidance on
rate-of-change measurement uses 500 ms).
"""

import math
from dataclasses import dataclass

from station.dispatch.proposal import Proposal, Source

_ENOUGH_SAMPLES = 4


@dataclass(frozen=True)
class FastSettings:
    """When and how much; the contract with the grid's operator sets the figures.

    Attributes:
        rated_kw: power that per cents refer to.
        nominal_hz: the grid's frequency.
        low_hz, high_hz: thresholds below and above which it acts.
        rate_hz_per_s: rate of change at which it acts, None: thresholds alone.
        rate_arms_hz: the rate counts only at this distance from nominal and moving away.
        window_s: span over which the rate is measured.
        power_pct: what it gives.
        hold_s: how long after the trigger has gone.
        release_pct_per_s: how fast it then lets go.
    """

    rated_kw: float
    nominal_hz: float = 50.0
    low_hz: float = 49.8
    high_hz: float = 50.2
    rate_hz_per_s: float | None = 0.5
    rate_arms_hz: float = 0.05
    window_s: float = 0.5
    power_pct: float = 50.0
    hold_s: float = 10.0
    release_pct_per_s: float = 5.0


@dataclass(frozen=True)
class FastMemory:
    """The response under way; times are steady milliseconds.

    Attributes:
        samples: (time, Hz) of the last window.
        direction: 1 gives, -1 takes, 0 rests. last_ms: when a trigger last stood.
        power_kw: the response of the last step. at_ms: its time.
    """

    samples: tuple[tuple[int, float], ...] = ()
    direction: int = 0
    last_ms: int = 0
    power_kw: float = 0.0
    at_ms: int = 0


def propose_fast(
    settings: FastSettings, memory: FastMemory, frequency_hz: float, now_ms: int, device: str = ""
) -> tuple[Proposal | None, FastMemory]:
    """Return the shift of the response; an unknown frequency triggers nothing."""
    samples = _window(settings, memory.samples, frequency_hz, now_ms)
    trigger = _trigger(settings, samples, frequency_hz)
    full_kw = settings.power_pct / 100.0 * settings.rated_kw
    direction, last_ms = memory.direction, memory.last_ms
    if trigger:
        direction, last_ms = trigger, now_ms
    if direction and now_ms - last_ms <= settings.hold_s * 1000:
        power_kw = direction * full_kw
    else:
        elapsed_s = max(0.0, (now_ms - memory.at_ms) / 1000.0)
        reach_kw = settings.release_pct_per_s / 100.0 * settings.rated_kw * elapsed_s
        power_kw = math.copysign(max(0.0, abs(memory.power_kw) - reach_kw), memory.power_kw)
        direction = 0
    after = FastMemory(samples, direction, last_ms, power_kw, now_ms)
    if not power_kw:
        return None, after
    return Proposal(Source.FAST_FREQUENCY, device, shift_kw=power_kw), after


def _window(
    settings: FastSettings,
    samples: tuple[tuple[int, float], ...],
    frequency_hz: float,
    now_ms: int,
) -> tuple[tuple[int, float], ...]:
    if not math.isfinite(frequency_hz):
        return ()
    oldest = now_ms - settings.window_s * 1000
    kept = tuple(sample for sample in samples if oldest <= sample[0] < now_ms)
    return (*kept, (now_ms, frequency_hz))


def _trigger(
    settings: FastSettings, samples: tuple[tuple[int, float], ...], frequency_hz: float
) -> int:
    if frequency_hz <= settings.low_hz:
        return 1
    if frequency_hz >= settings.high_hz:
        return -1
    if settings.rate_hz_per_s is None:
        return 0
    rate = rate_of_change(samples, settings.window_s)
    deviation_hz = frequency_hz - settings.nominal_hz
    away = abs(deviation_hz) >= settings.rate_arms_hz and rate * deviation_hz > 0
    if away and abs(rate) >= settings.rate_hz_per_s:
        return 1 if rate < 0 else -1
    return 0


def rate_of_change(samples: tuple[tuple[int, float], ...], window_s: float) -> float:
    """Return the slope in Hz/s of (time in ms, Hz) samples, 0 while they span too little."""
    if len(samples) < _ENOUGH_SAMPLES or samples[-1][0] - samples[0][0] < 800 * window_s:
        return 0.0
    seconds = [(time_ms - samples[0][0]) / 1000.0 for time_ms, _ in samples]
    values = [hz for _, hz in samples]
    mean_s, mean_hz = math.fsum(seconds) / len(seconds), math.fsum(values) / len(values)
    spread = math.fsum((s - mean_s) ** 2 for s in seconds)
    product = math.fsum(
        (s - mean_s) * (hz - mean_hz) for s, hz in zip(seconds, values, strict=True)
    )
    return product / spread
