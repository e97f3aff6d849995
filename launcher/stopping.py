"""Ctrl-C and SIGTERM: said at once, remembered, and never in the way of an orderly stop."""

import contextlib
import os
import signal
from types import FrameType

from launcher.errors import LauncherError

_STDOUT = 1


class StoppedError(LauncherError):
    """The user stopped what was being started."""

    def __init__(self) -> None:
        super().__init__("stopped while starting")


class StopSignal:
    """Remembers that a stop was asked for; asked again, it only says that the stop is under way.

    Attributes:
        set: whether a stop was asked for.
    """

    def __init__(self) -> None:
        """Take over SIGINT and SIGTERM; must be made in the main thread."""
        self.set = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def check(self) -> None:
        """Go on.

        Raises:
            StoppedError: a stop was asked for.
        """
        if self.set:
            raise StoppedError

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        words = "Still stopping: every part ends in order …" if self.set else "Stopping …"
        self.set = True
        # Past Python's own buffers, which the interrupted code may be in the middle of.
        with contextlib.suppress(OSError):
            os.write(_STDOUT, f"\n  {words}\n".encode())
