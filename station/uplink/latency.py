"""How long a sample takes from its device time to the ledger's acknowledgement.

Kept as a histogram of 10 ms up to a minute, so that a run of years needs no more memory than
a run of seconds; what takes longer (a backlog after an outage) counts at the last step.
"""

import numpy as np

_STEP_MS = 10
_STEPS = 6000


class LatencyHistogram:
    """Counts samples by latency."""

    def __init__(self) -> None:
        """Start empty."""
        self._counts = np.zeros(_STEPS + 1, dtype=np.int64)

    def add(self, latency_ms: int, samples: int) -> None:
        """Count `samples` samples of this latency."""
        self._counts[min(max(latency_ms, 0) // _STEP_MS, _STEPS)] += samples

    @property
    def count(self) -> int:
        """How many samples were counted."""
        return int(self._counts.sum())

    def quantile_s(self, share: float) -> float | None:
        """Return the latency that this share of samples does not exceed, seconds."""
        total = self.count
        if not total:
            return None
        position = int(np.searchsorted(np.cumsum(self._counts), share * total))
        return (min(position, _STEPS) + 1) * _STEP_MS / 1000
