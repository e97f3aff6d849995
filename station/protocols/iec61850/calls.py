"""Blocking calls into the library, on worker threads of one device and watched for getting stuck.

Commands have threads of their own: none waits until the data set has been read.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from station.protocols.iec61850.connection import Association

T = TypeVar("T")

_STUCK_S = 20.0
"""Longer than any chain of the library's own time-outs."""
_COMMANDS_AT_ONCE = 8
"""Active and reactive power, start and stop, each with one that waits for its turn."""


class Calls:
    """The worker threads of one device."""

    def __init__(self, device: str) -> None:
        """Make them; `device` names them."""
        self._pool = ThreadPoolExecutor(2, thread_name_prefix=device)
        self._command_pool = ThreadPoolExecutor(
            _COMMANDS_AT_ONCE, thread_name_prefix=f"{device}-command"
        )
        self._deadlines: dict[int, float] = {}

    def stuck(self) -> bool:
        """Whether a call into the library has not returned for longer than it may take."""
        now_s = time.monotonic()
        return any(now_s > deadline_s for deadline_s in list(self._deadlines.values()))

    async def ask(
        self, association: Association, work: Callable[[], T], patience_s: float = _STUCK_S
    ) -> T:
        """Run a call into an association, which is not freed meanwhile.

        Raises:
            DeviceUnreachable: the association is closed; and what `work` raises.
        """

        def used() -> T:
            with association.in_use():
                return work()

        return await self._run(self._pool, used, patience_s)

    async def run(self, work: Callable[[], T]) -> T:
        """Run a call that looks after its association itself."""
        return await self._run(self._pool, work, _STUCK_S)

    async def command(self, work: Callable[[], T]) -> T:
        """Run a call of a command, beside all others."""
        return await self._run(self._command_pool, work, _STUCK_S)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T], patience_s: float) -> T:
        key = id(work)

        def watched() -> T:
            self._deadlines[key] = time.monotonic() + patience_s
            try:
                return work()
            finally:
                self._deadlines.pop(key, None)

        return await asyncio.get_running_loop().run_in_executor(pool, watched)
