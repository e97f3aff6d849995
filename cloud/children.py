"""Child processes that cannot outlive us, and come back when they die."""

import ctypes
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_SETTLED_S: Final = 10.0
"""A child that lived this long and then dies is started again without a pause."""


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a function for `preexec_fn`: the kernel sends `number` when the parent thread ends."""

    def ask_kernel() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)

    return ask_kernel


@dataclass
class Child:
    """One Python module kept running in a process of its own.

    Attributes:
        name: for logs.
        module: run with `python -m`.
        task: JSON that the child reads from its standard input; may hold secrets.
        sockets: file descriptors that it inherits.
    """

    name: str
    module: str
    task: Mapping[str, Any]
    sockets: Sequence[int] = ()
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _pause_s: float = 0.0
    _not_before: float = field(default=0.0)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    def start(self) -> None:
        """Start it."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", self.module],
            stdin=subprocess.PIPE,
            pass_fds=tuple(self.sockets),
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops us in order
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for a pipe above
        try:
            with self._process.stdin as pipe:
                pipe.write(json.dumps(dict(self.task)).encode())
        except BrokenPipeError:
            _log.error("%s ended while it was started", self.name)

    def keep(self) -> None:
        """Start it again when it has died, after a pause that grows while it dies young."""
        if self.pid is not None:
            return
        now = time.monotonic()
        if self._process is not None:
            status = self._process.wait()
            young = now - self._started < _SETTLED_S
            longer = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._pause_s = longer if young else 0.0
            self._not_before = now + self._pause_s
            self._process = None
            _log.error("%s died status=%s restart_in_s=%.1f", self.name, status, self._pause_s)
        if now >= self._not_before:
            self.restarts += 1
            self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self, deadline_s: float) -> None:
        """Wait for its end after `ask_to_stop`; kill it after the deadline."""
        if self._process is None:
            return
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            _log.error("%s did not stop action=kill", self.name)
            self._process.kill()
            self._process.wait()
