"""The samples that a driver asked for and did not get whole: counted, and the newest by name."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from station.protocols.driver import MissedReading

_REMEMBERED = 200


class MissedReadings:
    """Counts by kind since the start, and the newest of them."""

    def __init__(self) -> None:
        """Start empty."""
        self.counts: Counter[str] = Counter()
        self.newest: deque[MissedReading] = deque(maxlen=_REMEMBERED)

    def note(self, missed: MissedReading) -> None:
        """Note one."""
        self.counts[missed.kind] += 1
        self.newest.append(missed)


def report(all_missed: Iterable[MissedReadings]) -> dict[str, Any]:
    """Return what the status file says of the missed readings of all drivers."""
    counts: Counter[str] = Counter()
    newest: list[MissedReading] = []
    for missed in all_missed:
        counts += missed.counts
        newest += missed.newest
    newest.sort(key=lambda one: one.time_ms)
    return {
        "counts": {"torn": counts["torn"], "no_answer": counts["no_answer"]},
        "newest": [
            {
                "device": one.device,
                "layout": one.layout,
                "time_ms": one.time_ms,
                "reason": one.reason,
            }
            for one in newest[-_REMEMBERED:]
        ],
    }
