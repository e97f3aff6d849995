"""Child processes: started with a log of their own, ready when they say so, ended by their id.

They end in good order with this process, however it ends: the kernel sends them SIGTERM.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from cloud.children import die_with_parent
from launcher.errors import ChildEndedError, ChildStartError

_LOG_TAIL_LINES = 15
_POLL_S = 0.1


@dataclass
class Child:
    """One started process tree and the file its log goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    lines: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    @property
    def pid(self) -> int:
        """The id of the process that heads the tree."""
        return self.process.pid

    def running(self) -> bool:
        """Whether the head of the tree still runs."""
        return self.process.poll() is None

    def wait_ready(
        self, deadline_s: float, checkpoint: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Return the JSON line with `ready`; `checkpoint` is called while it waits.

        Raises:
            ChildStartError: it ended, or said nothing before the deadline.
        """
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            checkpoint()
            try:
                line = self.lines.get(timeout=_POLL_S)
            except queue.Empty:
                if not self.running() and self.lines.empty():
                    self._show_tail()
                    raise ChildStartError(self.name, self.ending(), self.log) from None
                continue
            if line.get("ready"):
                return line
        self._show_tail()
        raise ChildStartError(self.name, f"it was not ready after {deadline_s:.0f} s", self.log)

    def require_running(self) -> None:
        """Go on.

        Raises:
            ChildEndedError: it has ended by itself.
        """
        if not self.running():
            self._show_tail()
            raise ChildEndedError(self.name, self.ending(), self.log)

    def ending(self) -> str:
        """How it ended, in words."""
        status = self.process.returncode
        if status is not None and status < 0:
            return f"it was killed (signal {-status})"
        return f"it ended with status {status}"

    def _show_tail(self) -> None:
        """Print the last lines of its log."""
        tail = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        print("\n".join(["", *tail]), file=sys.stderr)

    def tree(self) -> list[psutil.Process]:
        """The process and all its descendants that run now."""
        try:
            head = psutil.Process(self.pid)
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self, deadline_s: float = 20.0) -> int | None:
        """End the tree by SIGTERM, by SIGKILL past the deadline; return the exit status."""
        if not self.running():
            return self.process.returncode
        tree = self.tree()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            for process in reversed(tree):
                _kill(process)
            self.process.wait(5)
        return self.process.returncode


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def start(name: str, arguments: list[str], log: Path, *, cwd: Path | None = None) -> Child:
    """Start `python -m ...` in a session of its own, so that Ctrl-C reaches only us.

    The thread that calls this must live as long as the child: the kernel ties the two.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    child = Child(name, process, log)
    assert process.stdout is not None  # noqa: S101 - asked for a pipe above
    threading.Thread(
        target=_collect, args=(process.stdout, child.lines, log), name=f"{name}-out", daemon=True
    ).start()
    return child


def run_to_end(arguments: list[str], checkpoint: Callable[[], None]) -> tuple[int, str]:
    """Run `python -m ...` and return its status and what it wrote to standard error.

    `checkpoint` is called while it runs; what that raises ends the process first.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-m", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
    ) as process:
        try:
            while True:
                checkpoint()
                try:
                    _, said = process.communicate(timeout=_POLL_S)
                except subprocess.TimeoutExpired:
                    continue
                return process.returncode, said
        except BaseException:
            process.kill()
            raise


def _collect(stream: IO[bytes], lines: "queue.Queue[dict[str, Any]]", log: Path) -> None:
    """Hand over JSON lines; keep every other line in the log."""
    with log.open("ab", buffering=0) as sink:
        for raw in stream:
            try:
                value = json.loads(raw)
            except ValueError:
                sink.write(raw)
                continue
            if isinstance(value, dict):
                lines.put(value)


def resident_mb(processes: list[psutil.Process]) -> float:
    """Resident memory of the processes, in MB (10^6 bytes), shared pages counted each time."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return round(total / 1e6, 1)
