"""The deadlines of the fast loop: its jitter, and how many it missed.

Times are monotonic, so a wall clock that is set does not disturb them. Jitter goes into a
histogram of logarithmic bins, exact to a twelfth of its value, whatever the run's length.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_BINS_PER_DECADE = 30
_FINEST_MS = 0.01
_DECADES = 6
"""From 10 microseconds to 10 s."""
_MISSED_FROM = 1.5
"""So many periods after the last pass a deadline has gone by without one."""
_NEWS_PATIENCE = 1.2
"""News that come every period with some jitter are waited for; without them the timer acts.

What is left until the deadline must hold the longest that anything else keeps the loop: a cycle of
the plant loop takes 10 to 15 ms of the 15 left.
"""


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


class Cadence:
    """The rhythm of a loop that news drive and a timer keeps alive.

    Each pass owes the next one within one period. What a pass comes later (or earlier) than that
    is *jitter*; a whole period without a pass is a *missed* deadline: counted, never made up for.

    A process that has just begun shares its machine with all others that begin with it. How it
    keeps time meanwhile says nothing, so that deadlines are judged once it has settled.

    Attributes:
        passes: how many there were.
        missed: deadlines that passed without a pass.
        jitter: deviation of the time between two passes from the period.
        duration: how long the passes took.
    """

    def __init__(self, period_s: float, settles_s: float = 0.0) -> None:
        """Begin with the first pass, whenever it comes.

        Args:
            period_s: time from one pass to the next.
            settles_s: deadlines so long after the first pass are not judged.
        """
        self.period_s = period_s
        self._settles_s = settles_s
        self._first_s: float | None = None
        self.passes = 0
        self.missed = 0
        self.jitter = Histogram()
        self.duration = Histogram()
        self._began_s: float | None = None
        self._longest_gap_s = 0.0

    @property
    def deadline_ms(self) -> float:
        """Time from one pass to the next from which on a deadline counts as missed."""
        return _MISSED_FROM * self.period_s * 1000

    def take_longest_gap_ms(self) -> float:
        """Return the longest time between two passes since the last call."""
        gap_s, self._longest_gap_s = self._longest_gap_s, 0.0
        return gap_s * 1000

    def wait_s(self, now_s: float, *, by_news: bool) -> float:
        """Return how long the timer waits before it makes a pass by itself.

        Args:
            now_s: monotonic time.
            by_news: the last pass was driven by news: their own jitter is given time.
        """
        if self._began_s is None:
            return 0.0
        patience = _NEWS_PATIENCE if by_news else 1.0
        return max(0.0, self._began_s + patience * self.period_s - now_s)

    def note(self, began_s: float, ended_s: float) -> None:
        """Note a pass by its monotonic times."""
        if self._first_s is None:
            self._first_s = began_s
        if self._began_s is not None and self._began_s - self._first_s >= self._settles_s:
            interval_s = began_s - self._began_s
            if interval_s * 1000 >= self.deadline_ms:
                self.missed += max(1, round(interval_s / self.period_s) - 1)
            self._longest_gap_s = max(self._longest_gap_s, interval_s)
            self.jitter.add(abs(interval_s - self.period_s) * 1000)
        self.passes += 1
        self.duration.add((ended_s - began_s) * 1000)
        self._began_s = began_s

    @property
    def missed_pct(self) -> float:
        """Share of deadlines without a pass, in percent."""
        total = self.passes + self.missed
        return 100 * self.missed / total if total else 0.0
