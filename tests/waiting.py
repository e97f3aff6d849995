"""Waiting for conditions with a deadline, so that no test sleeps for a guess of time."""

import asyncio
import select
import time
from collections.abc import Callable

_POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = 30.0) -> None:
    """Return once `condition()` is true; fail naming `what` after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            msg = f"waited {deadline_s} s in vain for: {what}"
            raise AssertionError(msg)
        select.select([], [], [], _POLL_S)


async def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 30.0) -> None:
    """Like `wait_until`, without blocking the event loop."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            msg = f"waited {deadline_s} s in vain for: {what}"
            raise AssertionError(msg)
        await asyncio.sleep(_POLL_S)
