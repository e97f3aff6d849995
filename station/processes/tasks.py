"""Ending tasks for sure."""

import asyncio
from collections.abc import Iterable

_AGAIN_S = 0.2


async def end(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks and return when all have ended.

    A cancellation can get lost in code that is not ours (`asyncio.wait_for` of Python 3.11
    drops one that arrives together with its result), so it is repeated.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
