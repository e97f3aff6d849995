"""What has been opened lately, decoded: a screen that asks again every few seconds pays once.

Stored blocks and spans never change under their version (place and time of writing), so an entry
is never wrong, only forgotten: the least lately used go when the limit of bytes is reached.
Plain values of sealed data stay in this process's memory for that long, as they do in a screen's.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class DecodedCache(Generic[_T]):
    """Values by key, bounded by the bytes that they take; safe to use from any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._held: OrderedDict[Hashable, tuple[_T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> _T | None:
        """Return a value, None when it is not held."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: _T, size: int) -> None:
        """Hold a value of `size` bytes; one that is over an eighth of the limit is not held."""
        if size * 8 > self._max_bytes:
            return
        with self._lock:
            before = self._held.pop(key, None)
            self._bytes += size - (before[1] if before is not None else 0)
            self._held[key] = value, size
            while self._bytes > self._max_bytes:
                _, (_, gone) = self._held.popitem(last=False)
                self._bytes -= gone
