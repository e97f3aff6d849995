"""How long a process wanted to run and was not let: a starved process is not one that hangs.

Linux counts for every thread how long it ran and how long it stood in the run queue
(/proc/PID/task/TID/schedstat), the latter when it runs again; a thread that stands there now is
told by its state. Elsewhere nothing is known, and nobody counts as starved.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_NS = 1e-9


class Starving:
    """The threads of one process, looked at from time to time."""

    def __init__(self, pid: int, *, but: int = 0) -> None:
        """Look for the first time; `but` is the thread that does the looking, where it is its own.

        Such a thread always runs when it looks, and says nothing of the others.
        """
        self._tasks = Path(f"/proc/{pid}/task")
        self._but = str(but)
        self._looked_s = time.monotonic()
        self._before = {name: (ran_s, stood_s) for name, ran_s, stood_s, _ in self._threads()}

    def since(self) -> float:
        """Return for how many seconds since the last look it wanted to run and did not."""
        passed_s = time.monotonic() - self._looked_s
        self._looked_s += passed_s
        now = list(self._threads())
        before, none = self._before, (0.0, 0.0)
        ran_s = sum(ran - before.get(name, none)[0] for name, ran, _, _ in now)
        stood_s = sum(stood - before.get(name, none)[1] for name, _, stood, _ in now)
        self._before = {name: (ran, stood) for name, ran, stood, _ in now}
        if any(stands for *_, stands in now):
            stood_s = max(stood_s, passed_s - ran_s)
        return max(0.0, min(stood_s, passed_s))

    def _threads(self) -> Iterator[tuple[str, float, float, bool]]:
        """Yield name, seconds run and stood in the queue, and whether it is runnable, of each."""
        with suppress(OSError):
            for task in self._tasks.iterdir():
                if task.name == self._but:
                    continue
                with suppress(OSError, ValueError, IndexError):
                    ran_ns, stood_ns, _ = (task / "schedstat").read_text().split()
                    state = (task / "stat").read_text().rpartition(") ")[2][0]
                    yield task.name, int(ran_ns) * _NS, int(stood_ns) * _NS, state == "R"
