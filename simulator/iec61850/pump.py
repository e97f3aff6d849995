"""One thread serves all MMS servers of a process.

Left to itself the library gives every server and every association a thread that looks at its
socket a hundred times a second: forty idle converters cost a sixth of a core. Here one thread
goes round all of them, slowly while nothing happens and fast for a while after somebody has
connected or a tick was published.
"""

import contextlib
import os
import socket
import stat
import threading
import time

from simulator.iec61850.library import library

_IDLE_S = 0.01
_BUSY_S = 0.001
_BUSY_FOR_S = 2.0
"""A client that connects asks a few hundred questions, each after the answer to the last."""
_SENT_S = 0.03
_HANG_UP_S = 1.0


class Pump:
    """Serves the servers that were added, until they are removed."""

    def __init__(self) -> None:
        """Start without servers and without a thread."""
        self._lock = threading.RLock()
        self._servers: list[int] = []
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._busy_until_s = 0.0

    def add(self, server: int) -> None:
        """Serve a server that listens without threads of its own."""
        with self._lock:
            self._servers.append(server)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="iec61850", daemon=True)
                self._thread.start()
        self._wake.set()

    def remove(self, server: int, port: int, clients: set[int]) -> None:
        """Serve it no more; returns when nothing of it is under way.

        Its clients are hung up on first, as the library would leave their report blocks reserved
        for ever; it takes each out of `clients` when it notices.
        """
        lib = library()
        with self._lock:
            if server not in self._servers:
                return
            self._servers.remove(server)
            if clients:
                _hang_up(port)
            deadline_s = time.monotonic() + _HANG_UP_S
            while clients and time.monotonic() < deadline_s:
                lib.IedServer_processIncomingData(server)

    def wake(self) -> None:
        """Go round at once, and fast until it is sent: each round sends one report of a block."""
        self._busy_until_s = max(self._busy_until_s, time.monotonic() + _SENT_S)
        self._wake.set()

    def hurry(self) -> None:
        """Go round fast for a while: somebody has come who asks much."""
        self._busy_until_s = time.monotonic() + _BUSY_FOR_S
        self._wake.set()

    def _run(self) -> None:
        lib = library()
        while True:
            with self._lock:
                servers = list(self._servers)
                if not servers:
                    self._thread = None
                    return
            for server in servers:
                with self._lock:
                    if server in self._servers:
                        lib.IedServer_processIncomingData(server)
                        lib.IedServer_performPeriodicTasks(server)
            self._wake.wait(_BUSY_S if time.monotonic() < self._busy_until_s else _IDLE_S)
            self._wake.clear()


def _hang_up(port: int) -> None:
    """End all connections that were accepted at a port; the library does not tell its sockets."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                if one.family == socket.AF_INET and one.getsockname()[1] == port:
                    one.shutdown(socket.SHUT_RDWR)


PUMP = Pump()
"""The process's own."""
