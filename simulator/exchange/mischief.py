"""How the exchange misbehaves, on command and so many times."""

from collections import deque
from enum import StrEnum
from threading import Lock


class Mischief(StrEnum):
    """What may be done to the next submission."""

    LATE = "late"  # takes it and answers when the client has long given up
    PENDING = "pending"  # takes it and says so only when asked again
    PARTIAL = "partial"  # refuses every second interval
    REJECT = "reject"  # refuses it without a fault
    DUPLICATE = "duplicate"  # says everything about it twice
    BUSY = "busy"  # answers 503 and takes nothing
    DISCONNECT_BEFORE = "disconnect_before"  # hangs up and takes nothing
    DISCONNECT_AFTER = "disconnect_after"  # takes it and hangs up


class Plan:
    """What will be done to the submissions that come next, in order."""

    def __init__(self) -> None:
        self._next: deque[Mischief] = deque()
        self._lock = Lock()

    def add(self, kind: Mischief, times: int) -> None:
        """Do something to so many more submissions, after what is planned already."""
        with self._lock:
            self._next.extend([kind] * times)

    def clear(self) -> None:
        """Behave."""
        with self._lock:
            self._next.clear()

    def take(self) -> Mischief | None:
        """Return what is done to the submission that has just come; None: nothing."""
        with self._lock:
            return self._next.popleft() if self._next else None
