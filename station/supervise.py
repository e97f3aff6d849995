"""The one place where a part of the station that failed unexpectedly is started again."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_PAUSE_S = 1.0


class Supervisor:
    """Runs parts until cancelled; one that fails is logged, counted and started again."""

    def __init__(self, pause_s: float = _PAUSE_S) -> None:
        """Wait `pause_s` before a part is started again."""
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []
        self.failures: Counter[str] = Counter()

    def start(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part from now on."""
        self._tasks.append(asyncio.create_task(self._keep_alive(name, part), name=name))

    async def _keep_alive(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await part()
            except Exception:
                self.failures[name] += 1
                if self.failures[name] == 1:
                    log.exception("event=part_failed part=%s", name)
                else:
                    log.error("event=part_failed part=%s times=%d", name, self.failures[name])  # noqa: TRY400 - the trace was logged once
            await asyncio.sleep(self._pause_s)

    async def stop(self) -> None:
        """Cancel all parts and wait for their end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
