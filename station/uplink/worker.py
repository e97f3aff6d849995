"""Blocking work (disk, encoding) runs on one thread of its own, in order, off the 1 s loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class BlockingWorker:
    """One thread; calls are carried out one after the other in the order they were made."""

    def __init__(self, name: str) -> None:
        """Name the thread."""
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a function on the thread and return its result."""
        future = self._pool.submit(function, *args, **kwargs)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what was begun, then end the thread."""
        self._pool.shutdown(wait=True)
