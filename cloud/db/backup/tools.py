"""Runs PostgreSQL's own backup tools, which lie beside the server in its package.

pg_basebackup has a child that streams the log and does not notice the end of its parent; left
alone it would keep the server from ever removing its log. So each tool runs in a process group
of its own that a guard kills whole when we are gone: it waits for the end of a pipe that the
kernel closes with us.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cloud.db.account import installed_binaries
from cloud.errors import BackupError

Say = Callable[[str], None]
"""Tells the person at the shell one line."""

_PROGRESS: Final = re.compile(r"^\s*(\d+)/(\d+) kB ")
_SAY_EVERY_S: Final = 5.0
_DISK_FULL: Final = "No space left on device"
_KB: Final = 1024
_GUARD: Final = 'read -r _; kill -9 "-$1"'


class ToolFailed(BackupError):  # noqa: N818 - an outcome: some callers try another way
    """A tool ended with an error; `lines` is what it wrote."""

    def __init__(self, tool: str, status: int, lines: Sequence[str], where: Path) -> None:
        self.lines = list(lines)
        said = " | ".join(lines[-4:]) or f"status {status}"
        if any(_DISK_FULL in line for line in lines):
            said = f"the disk of {where} is full: make room there or choose another folder"
        super().__init__(f"{tool} failed: {said}")


def run_tool(
    tool: str,
    arguments: Sequence[str | Path],
    where: Path,
    *,
    environment: Mapping[str, str] | None = None,
    say: Say | None = None,
    what: str = "",
) -> list[str]:
    """Run a tool to its end; it ends with us when we are killed.

    Args:
        tool: its name, e.g. pg_basebackup.
        arguments: its words.
        where: folder it writes to or reads, named in errors.
        environment: further variables, e.g. PGPASSWORD.
        say: told every few seconds how far it is, in words that begin with `what`.
        what: e.g. "copying".

    Returns:
        The lines that it wrote, without those of progress.

    Raises:
        ToolFailed: it ended with a status other than 0.
    """
    process = subprocess.Popen(
        [installed_binaries() / tool, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", **(environment or {})},
        process_group=0,
    )
    with _guarded(process):
        lines = list(_lines(process, say, what))
        status = process.wait()
    if status:
        raise ToolFailed(tool, status, lines, where)
    return lines


@contextmanager
def _guarded(process: subprocess.Popen[str]) -> Iterator[None]:
    """End the whole group of a tool with this block, and with us."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", str(process.pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        guard.kill()
        guard.communicate()


def _lines(process: subprocess.Popen[str], say: Say | None, what: str) -> Iterator[str]:
    """Lines that a tool writes; its progress is said, now and then."""
    spoken = time.monotonic()
    for line in process.stdout or ():
        far = _PROGRESS.match(line)
        if far is None:
            if line.strip():
                yield line.strip()
        elif say is not None and time.monotonic() - spoken > _SAY_EVERY_S:
            spoken = time.monotonic()
            done, total = (int(part) * _KB for part in far.groups())
            say(f"  {what} {megabytes(done)} of {megabytes(total)}")


def megabytes(size: float) -> str:
    """A size in words."""
    return f"{size / 1e6:,.1f} MB"


def folder_bytes(path: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
