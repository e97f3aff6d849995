"""The station's wall clock."""

import time


def now_ms() -> int:
    """Return the time of day, epoch milliseconds; it may be set, so it measures no durations."""
    return time.time_ns() // 1_000_000
