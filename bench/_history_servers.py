"""Database servers of Debian that a benchmark starts on loopback and ends again."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench._history_store import Absent
from cloud.children import die_with_parent

_START_S = 30.0
_STOP_S = 20.0
_REST_S = 120.0
_POLL_S = 0.1
_STILL_POLLS = 15
"""A folder whose size did not change in so many polls is at rest."""


class Http:
    """One kept connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, **parameters: str | int | float) -> bytes:
        """Return the body of a good answer; RuntimeError for any other."""
        return self._ask("GET", f"{path}?{urlencode(parameters)}", None)

    def post(self, path: str, body: bytes) -> None:
        """Send a body; RuntimeError unless it is taken."""
        self._ask("POST", path, body)

    def json(self, path: str, **parameters: str | int | float) -> Any:
        """Return the decoded JSON of a good answer."""
        return json.loads(self.get(path, **parameters))

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        found = answer.read()
        if answer.status not in {200, 204}:
            raise RuntimeError(f"{method} {path:.200} answers {answer.status}: {found[:200]!r}")
        return found


def free_port() -> int:
    """A TCP port of loopback that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def server(
    program: str, package: str, arguments: Sequence[str], environment: Mapping[str, str], ready: str
) -> Iterator[tuple[Http, Path]]:
    """Run a server until the end of the block; `{port}` and `{folder}` are filled in.

    Raises:
        Absent: the program is not installed.
    """
    found = shutil.which(program)
    if found is None:
        raise Absent(f"{program} is not installed (apt-get install {package})")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="stationmaster-bench-") as name:
        folder, places = Path(name), {"port": port, "folder": name}
        process = subprocess.Popen(
            [found, *(argument.format(**places) for argument in arguments)],
            env=os.environ | {k: v.format(**places) for k, v in environment.items()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call
        )
        try:
            _await_answer(process, port, ready)
            yield Http(port), folder
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            Http(port).get(path)
        except (OSError, RuntimeError, http.client.HTTPException):
            time.sleep(_POLL_S)
        else:
            return
    raise Absent(f"{process.args!r} does not answer on port {port} within {_START_S:.0f} s")


def size_at_rest(folder: Path) -> int:
    """Wait until a server has moved its data to where they stay; return the folder's bytes."""
    deadline, sizes = time.monotonic() + _REST_S, [-1]
    while sizes[-_STILL_POLLS:] != [sizes[-1]] * _STILL_POLLS and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        sizes.append(_size(folder))
    return sizes[-1]


def _size(folder: Path) -> int:
    """Bytes of disk: files may have holes where a server reserves room."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:  # merged away while we count
            continue
    return total
