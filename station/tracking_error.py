"""How well the meter follows: RMS of meter minus schedule plus regulation, in % of rated power.

Counted is every meter second from 30 s after the first accepted set-point on: the primary
figure leaves out nothing, a second one leaves out seconds in which a limit forbade the power.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from station.control.feedback import Wanted
from station.image import PointRow

SETTLING_MS = 30_000


@dataclass
class _Sum:
    squares: float = 0.0
    n: int = 0

    def add(self, error_kw: float) -> None:
        self.squares += error_kw * error_kw
        self.n += 1

    def rms_pct(self, rated_kw: float) -> float | None:
        return round(math.sqrt(self.squares / self.n) / rated_kw * 100, 4) if self.n else None


@dataclass
class TrackingError:
    """Sums since the start."""

    rated_kw: float
    first_accepted_ms: int | None = None
    _meter_ms: int = 0
    _whole: _Sum = field(default_factory=_Sum)
    _settled: _Sum = field(default_factory=_Sum)
    _unlimited: _Sum = field(default_factory=_Sum)

    def accepted(self, at_ms: int) -> None:
        """Note that a set-point was accepted; the first one starts the clock."""
        if self.first_accepted_ms is None:
            self.first_accepted_ms = at_ms

    def add(self, meter: PointRow | None, wanted: Mapping[int, Wanted]) -> None:
        """Compare a meter second with what was wanted in that second, once."""
        if meter is None or meter.stale or meter.sample.time_ms <= self._meter_ms:
            return
        self._meter_ms = meter.sample.time_ms
        aim = wanted.get(meter.sample.time_ms // 1000)
        measured_kw = meter.number("active_power_kw")
        if aim is None or not math.isfinite(measured_kw):
            return
        error_kw = measured_kw - aim.kw
        self._whole.add(error_kw)
        first = self.first_accepted_ms
        if first is None or self._meter_ms < first + SETTLING_MS:
            return
        self._settled.add(error_kw)
        if not aim.limited:
            self._unlimited.add(error_kw)

    def report(self) -> dict[str, float | int | None]:
        """Return the figures for the status file."""
        return {
            "rms_error_pct_of_rated": self._settled.rms_pct(self.rated_kw),
            "n": self._settled.n,
            "rms_error_pct_of_rated_unlimited": self._unlimited.rms_pct(self.rated_kw),
            "n_unlimited": self._unlimited.n,
            "rms_error_pct_of_rated_with_start": self._whole.rms_pct(self.rated_kw),
            "n_with_start": self._whole.n,
        }
