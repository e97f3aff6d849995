"""How far a long command is: bars at a terminal, plain lines where nobody draws (pipe, log, CI).

Both go to standard error, so that what a command finds can be sent to a file by itself.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_STEPS = 10
_ROUNDING = 1e-9
_LEAST_S = 5.0
"""A part that is done in a moment is worth one line, not ten."""


class Tell(Protocol):
    """Told how far a part of the work is, and what it says of itself."""

    def __call__(self, part: str, share: float, line: str = "") -> None:
        """Take the news: `share` from 0 to 1."""


class Lines:
    """Writes a line when a part begins, at every tenth of it, and when it is done."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `out`; `clock` tells seconds."""
        self._out = out
        self._clock = clock
        self._told: dict[str, tuple[int, float]] = {}

    def __call__(self, part: str, share: float, line: str = "") -> None:
        """Take the news, and write them if they are worth it."""
        step, now_s = int(_STEPS * share + _ROUNDING), self._clock()
        told, at_s = self._told.get(part, (-1, -_LEAST_S))
        at_once = told < 0 or step >= _STEPS
        if step <= told or not (at_once or now_s - at_s >= _LEAST_S):
            return
        self._told[part] = step, now_s
        said = f" {line}" if line else ""
        print(f"{part}: {100 * share:.0f} %{said}", file=self._out, flush=True)


class _Bars:
    """Draws each part as a bar of its own."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, part: str, share: float, line: str = "") -> None:
        if part not in self._tasks:
            self._tasks[part] = self._bar.add_task(part, total=1.0, line="")
        self._bar.update(self._tasks[part], completed=share, line=line)


@contextmanager
def progress(*, stays: bool = False) -> Iterator[Tell]:
    """Show how far the work inside is; bars of parts that are done go, unless they are to stay."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(sys.stderr)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[line]}"),
    )
    with Progress(*columns, console=console, transient=not stays) as bar:
        yield _Bars(bar)
