"""Primary frequency response: power in proportion to the frequency's deviation, both ways.

Below the dead band the station gives more (or takes less), above it takes more, whether it was
charging or discharging. The response begins at 0 at the edge of the dead band, so that there
is no jump there, and it follows the frequency without delay or ramp.

While the frequency is inside the dead band, a small slow offset brings the state of charge
back to its band (energy recovery), so that the next event finds a battery that can answer. It
ends at once when the frequency leaves the dead band.

Figures after GB/T 40595-2021 for storage at 35 kV and above: dead band 0.03 to 0.05 Hz, droop
0.5 to 3 %, no limit of the response in principle and never less than 20 % of rated power;
lag at most 1 s, rise 3 s, settling 4 s, within 1 % of rated power. GB/T 36547 asks storage
stations for the same service when charging and when discharging.
"""

import math
from dataclasses import dataclass

from station.dispatch.proposal import Proposal, Source


@dataclass(frozen=True)
class PrimarySettings:
    """How strongly the station answers the frequency.

    Attributes:
        rated_kw: power that per cents refer to.
        nominal_hz: the grid's frequency.
        dead_band_hz: no answer within this distance of it.
        droop_pct: relative change of frequency that calls for rated power.
        up_limit_pct, down_limit_pct: most that is added and taken away.
        soc_low, soc_high: band to which recovery brings the state of charge back.
        soc_inside: how far into the band recovery goes, so that it does not start anew.
        recovery_pct: power of recovery, small beside what the schedule is worth; 0: none.
        recovery_pct_per_s: how fast that power comes and grows.
    """

    rated_kw: float
    nominal_hz: float = 50.0
    dead_band_hz: float = 0.05
    droop_pct: float = 2.0
    up_limit_pct: float = 100.0
    down_limit_pct: float = 100.0
    soc_low: float = 0.3
    soc_high: float = 0.7
    soc_inside: float = 0.02
    recovery_pct: float = 2.0
    recovery_pct_per_s: float = 0.1

    @property
    def pct_per_hz(self) -> float:
        """The slope of the answer, per cent of rated power per hertz: 100 at 2 % of 50 Hz."""
        return 100.0 / (self.droop_pct / 100.0 * self.nominal_hz)


@dataclass(frozen=True)
class PrimaryMemory:
    """The recovery under way.

    Attributes:
        direction: 1 discharges to recover, -1 charges, 0 does nothing.
        recovery_kw: its power now. at_ms: time of the last step, steady milliseconds.
    """

    direction: int = 0
    recovery_kw: float = 0.0
    at_ms: int | None = None


@dataclass(frozen=True)
class PrimaryInputs:
    """What the meter shows: frequency in Hz and mean state of charge 0..1; NaN: not known."""

    frequency_hz: float
    soc: float
    device: str = ""


def droop_kw(settings: PrimarySettings, frequency_hz: float) -> float:
    """Return the answer to a frequency, kW, discharge positive; 0 when it is not known."""
    deviation_hz = frequency_hz - settings.nominal_hz
    beyond_hz = abs(deviation_hz) - settings.dead_band_hz
    if not beyond_hz > 0:
        return 0.0
    answer_pct = settings.pct_per_hz * beyond_hz
    up = deviation_hz < 0
    limit_pct = settings.up_limit_pct if up else settings.down_limit_pct
    kw = settings.rated_kw * min(answer_pct, limit_pct) / 100.0
    return kw if up else -kw


def propose_primary(
    settings: PrimarySettings, memory: PrimaryMemory, inputs: PrimaryInputs, now_ms: int
) -> tuple[Proposal | None, PrimaryMemory]:
    """Return the shift that answers the frequency, or brings the state of charge back."""
    if not math.isfinite(inputs.frequency_hz):
        return None, PrimaryMemory(at_ms=now_ms)
    answer_kw = droop_kw(settings, inputs.frequency_hz)
    if answer_kw:
        found = Proposal(Source.PRIMARY_FREQUENCY, inputs.device, shift_kw=answer_kw)
        return found, PrimaryMemory(at_ms=now_ms)
    after = _recover(settings, memory, inputs.soc, now_ms)
    if not after.recovery_kw:
        return None, after
    return Proposal(Source.PRIMARY_FREQUENCY, inputs.device, shift_kw=after.recovery_kw), after


def _recover(
    settings: PrimarySettings, memory: PrimaryMemory, soc: float, now_ms: int
) -> PrimaryMemory:
    direction = _direction(settings, memory.direction, soc)
    target_kw = direction * settings.recovery_pct / 100.0 * settings.rated_kw
    elapsed_s = 0.0 if memory.at_ms is None else max(0.0, (now_ms - memory.at_ms) / 1000.0)
    reach_kw = settings.recovery_pct_per_s / 100.0 * settings.rated_kw * elapsed_s
    step_kw = max(-reach_kw, min(reach_kw, target_kw - memory.recovery_kw))
    return PrimaryMemory(direction, memory.recovery_kw + step_kw, now_ms)


def _direction(settings: PrimarySettings, before: int, soc: float) -> int:
    if not math.isfinite(soc):
        return 0
    if soc < settings.soc_low:
        return -1
    if soc > settings.soc_high:
        return 1
    if before < 0 and soc < settings.soc_low + settings.soc_inside:
        return -1
    if before > 0 and soc > settings.soc_high - settings.soc_inside:
        return 1
    return 0
