"""What the library prints instead of telling: heard, logged once, never mixed with our own log.

c104 says only on standard error that it has refused to operate what was not selected. Its callback
for transmitted frames would tell as well, but loses memory with every frame (measured with 2.2.1:
some 400 octets).
"""

import logging
import os
import sys
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

_STANDARD_ERROR = 2
_UNSELECTED = "without selection"
_MOST_TEXTS = 50


def redirect(on_unselected: Callable[[], None]) -> None:
    """Let everything that the library prints on standard error be heard, from now on.

    Python's own `sys.stderr` goes on to where it went; set logging up afterwards.

    Args:
        on_unselected: called in a thread when a command was refused for want of a selection.
    """
    reading, writing = os.pipe()
    own = os.dup(_STANDARD_ERROR)
    os.dup2(writing, _STANDARD_ERROR)
    os.close(writing)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="replace")
    threading.Thread(target=_listen, args=(reading, on_unselected), daemon=True).start()


def _listen(reading: int, on_unselected: Callable[[], None]) -> None:
    told: set[str] = set()
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.strip()
            if _UNSELECTED in text:
                on_unselected()
            elif text and text not in told and len(told) < _MOST_TEXTS:
                told.add(text)
                log.info("event=library_says text=%r", text)
