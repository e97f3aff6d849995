"""The deadlines of the fast loop: which slot is next, how late it began, how many were missed.

Slots lie on a grid of the monotonic clock, so a wall clock that is set does not disturb them. A
pass belongs to the slot it begins in; a slot in which no pass began is *missed*: counted, never
made up for. Lateness is the time from the beginning of the slot to the end of its pass; it
goes into a histogram of logarithmic bins, exact to a twelfth of its value, whatever the run's
length.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_BINS_PER_DECADE = 30
_FINEST_MS = 0.01
_DECADES = 6
"""From 10 microseconds to 10 s."""


@dataclass
class Histogram:
    """Counts of durations in logarithmic bins.

    Attributes:
        counts: shape (bins,), how many durations fell into each bin.
        longest_ms: the longest duration seen.
    """

    counts: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(_DECADES * _BINS_PER_DECADE + 1, dtype=np.int64)
    )
    longest_ms: float = 0.0

    def add(self, duration_ms: float) -> None:
        """Count one duration."""
        place = math.log10(max(duration_ms, _FINEST_MS) / _FINEST_MS) * _BINS_PER_DECADE
        self.counts[min(int(place), self.counts.size - 1)] += 1
        self.longest_ms = max(self.longest_ms, duration_ms)

    def quantile_ms(self, share: float) -> float | None:
        """Return the upper edge of the bin in which a share (0..1) is reached; None when empty."""
        total = int(self.counts.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), share * total))
        edge_ms = _FINEST_MS * 10 ** ((place + 1) / _BINS_PER_DECADE)
        return float(min(edge_ms, self.longest_ms))

    def bins(self) -> list[tuple[float, int]]:
        """Return (upper edge in ms, count) of every bin that is not empty."""
        used = np.flatnonzero(self.counts)
        return [
            (round(_FINEST_MS * 10 ** ((k + 1) / _BINS_PER_DECADE), 4), int(self.counts[k]))
            for k in used.tolist()
        ]


class DeadlineGrid:
    """The slots of one loop.

    Attributes:
        passes: slots that had a pass.
        missed: slots that had none.
        lateness: from the beginning of a slot to the end of its pass.
    """

    def __init__(self, period_s: float, now_s: float) -> None:
        """Begin the first slot now.

        Args:
            period_s: length of a slot.
            now_s: monotonic time.
        """
        self.period_s = period_s
        self.passes = 0
        self.missed = 0
        self.lateness = Histogram()
        self._origin_s = now_s
        self._done = -1

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait for the next slot that has not had its pass, 0 when it runs."""
        begins_s = self._origin_s + (self._done + 1) * self.period_s
        return max(0.0, begins_s - now_s)

    def finish(self, began_s: float, now_s: float) -> None:
        """Note a pass that began at `began_s` and is over now."""
        slot = int((began_s - self._origin_s) // self.period_s)
        if slot <= self._done:
            return
        self.missed += slot - self._done - 1
        self.passes += 1
        self._done = slot
        self.lateness.add((now_s - self._origin_s - slot * self.period_s) * 1000)

    @property
    def missed_pct(self) -> float:
        """Share of slots without a pass, in percent."""
        total = self.passes + self.missed
        return 100 * self.missed / total if total else 0.0
