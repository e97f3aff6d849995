"""Work that may not end: it is waited for so long and no longer, and never begun a second time.

A forecast or a solver runs in a thread, which nobody can stop. Whoever waited goes on without it;
as long as it runs its place stays taken, so that what hangs takes one thread and not one more at
every try. What ends after all is taken up by the next look.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from cloud.market.errors import MarketError
from contract.words import Words

P = TypeVar("P", bound=Hashable)
K = TypeVar("K")
R = TypeVar("R")
_MINUTE_S: Final = 60.0


class StillRunning(MarketError):  # noqa: N818 - an outcome: whoever waited goes on without it
    """Work has not ended within the time that it is given.

    Attributes:
        limit_s: the time.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        en, zh = (
            (f"{limit_s:.0f} s", f"{limit_s:.0f} 秒")
            if limit_s < _MINUTE_S
            else (f"{limit_s / _MINUTE_S:.0f} min", f"{limit_s / _MINUTE_S:.0f} 分钟")
        )
        super().__init__(
            Words(
                f"the drafting has not ended within {en}: a forecast or a plan hangs, or the "
                "machine is too slow. It is taken when it ends; restart the cloud's jobs if it "
                "does not, or bid by hand",
                f"编制在 {zh}内未完成：预测或计划挂起，或机器过慢。完成后即采用；若始终不完成，"
                "请重启云端任务进程，或人工申报",
            )
        )


@dataclass(frozen=True)
class _Running(Generic[K, R]):
    about: K
    task: asyncio.Task[R]
    limit_s: float


class Patience(Generic[P, K, R]):
    """Runs one work at each place."""

    def __init__(self) -> None:
        self._running: dict[P, _Running[K, R]] = {}

    async def wait(
        self, place: P, about: K, work: Callable[[], Coroutine[Any, Any, R]], limit_s: float
    ) -> R:
        """Return what a work comes to; it goes on when it takes longer.

        Args:
            place: where no other work is begun while this one runs.
            about: what it is about; `ended` names it.
            work: begun unless another one still runs here.
            limit_s: how long it is waited for.

        Raises:
            StillRunning: it has not ended in time, or the one that was begun before has not.
            Exception: whatever the work raises.
        """
        before = self._running.get(place)
        if before is not None:
            raise StillRunning(before.limit_s)
        running = _Running(about, asyncio.create_task(work()), limit_s)
        self._running[place] = running
        done, _ = await asyncio.wait({running.task}, timeout=limit_s)
        if not done:
            raise StillRunning(limit_s)
        del self._running[place]
        return running.task.result()

    def ended(self) -> list[tuple[P, K, asyncio.Task[R]]]:
        """Return, once, the works that nobody waited for any more and that have ended since."""
        found = [(place, one) for place, one in self._running.items() if one.task.done()]
        for place, _ in found:
            del self._running[place]
        return [(place, one.about, one.task) for place, one in found]
