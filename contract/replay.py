"""The replay window: a message is taken once, in any order, and never again."""

from contract.errors import Replayed, SequenceError

MAX_SEQUENCE = (1 << 48) - 1
"""Largest sequence number of a stream in one epoch."""


class ReplayWindow:
    """Remembers which of the newest `size` sequence numbers were seen (RFC 4303, 3.4.3)."""

    def __init__(self, size: int = 1024) -> None:
        """Start with nothing seen."""
        if size < 1:
            msg = f"a replay window of {size} remembers nothing"
            raise SequenceError(msg)
        self._size = size
        self._mask = (1 << size) - 1
        self._top = -1
        self._seen = 0

    def check_and_mark(self, sequence: int) -> None:
        """Mark a number as seen; Replayed when it was, or when it is older than the window.

        Call it only after `EpochKey.open`: an unauthenticated number must not move the window.
        """
        if not 0 <= sequence <= MAX_SEQUENCE:
            msg = f"sequence {sequence} is outside 0..{MAX_SEQUENCE}"
            raise Replayed(msg)
        ahead = sequence - self._top
        if ahead > 0:
            shifted = self._seen << ahead if ahead < self._size else 0
            self._seen = (shifted | 1) & self._mask
            self._top = sequence
            return
        if -ahead >= self._size:
            msg = f"sequence {sequence} is older than the last {self._size} up to {self._top}"
            raise Replayed(msg)
        if self._seen >> -ahead & 1:
            msg = f"sequence {sequence} was seen before"
            raise Replayed(msg)
        self._seen |= 1 << -ahead
