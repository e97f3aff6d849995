"""The host's side of a process: start it, hear it, and replace it when it fails.

The host kills a process that stays silent and starts the next one after a jittered pause that
doubles from one failure to the next. Its owner is told at once whenever a process is gone.
"""

import asyncio
import contextlib
import logging
import os
import random
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from station.processes.child import ChildArguments
from station.processes.errors import WireError
from station.processes.framing import receive
from station.processes.starving import Starving
from station.processes.tasks import end

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HostTiming:
    """When the host loses patience, in seconds.

    Attributes:
        silence: a process that has sent nothing for so long, though it could run, is killed.
        start: the same until its first message: imports take their time on a busy machine.
        pause_min, pause_max: range of the pause before the next start; it doubles from the
            lower to the upper bound and each pause is drawn between half and whole of it.
        settled: a process that lived so long starts the next series of pauses afresh.
        close: how long a process may take to end in good order.
    """

    silence: float = 3.0
    start: float = 20.0
    pause_min: float = 0.2
    pause_max: float = 5.0
    settled: float = 10.0
    close: float = 3.0


@dataclass(frozen=True)
class Child:
    """Which process it is.

    Attributes:
        kind, name: what logs call it, e.g. "driver", "modbus".
        module: what Python runs.
        arguments: beside those that every process gets.
        most_bytes: the largest message either side may send.
        environment: variables beside those of the host.
    """

    kind: str
    name: str
    module: str
    arguments: tuple[str, ...] = ()
    most_bytes: int = 1 << 22
    environment: Mapping[str, str] = field(default_factory=dict)


class Owner(Protocol):
    """Whom a watched process works for; all are called in the event loop."""

    def greeting(self) -> bytes:
        """Return the first message to a process."""

    def farewell(self) -> bytes:
        """Return the message that asks a process to end in good order."""

    def hear(self, frame: bytes) -> str:
        """Take a message; what is returned is why the process will end by itself, if it will.

        Raises:
            WireError: it is not what was agreed; the process is replaced.
        """

    def mourn(self, reason: str) -> None:
        """A process is gone; `reason` says why."""


_WATCH_S = 0.25


class WatchedProcess:
    """A process that is replaced whenever it ends or stays silent.

    Attributes:
        restarts: how many times the process was replaced.
        closing: the owner has ended it.
    """

    def __init__(
        self,
        child: Child,
        owner: Owner,
        timing: HostTiming | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            child: which process.
            owner: whom it works for.
            timing: the host's patience.
            jitter: source of chance for the pauses.
        """
        self._child = child
        self._owner = owner
        self._timing = timing or HostTiming()
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads load, guards nothing
        self.restarts = 0
        self.closing = False
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._failed = False
        self._heard = 0.0
        self._failure = ""

    @property
    def pid(self) -> int | None:
        """Process id of the process of the moment, None between two."""
        return self._process.pid if self._process is not None else None

    @property
    def can_take(self) -> bool:
        """Whether there is a process to send something to."""
        return self._writer is not None

    @property
    def waiting_bytes(self) -> int:
        """How much was sent that the process has not taken yet."""
        writer = self._writer
        return 0 if writer is None else writer.transport.get_write_buffer_size()

    def start(self) -> None:
        """Start the process and its supervision; returns at once."""
        name = f"host-{self._child.name}"
        self._supervisor = asyncio.create_task(self._supervise(), name=name)

    def send(self, frame: bytes) -> bool:
        """Send a message; False when there is no process to take it."""
        if self._writer is None:
            return False
        self._writer.write(frame)
        return True

    async def close(self) -> None:
        """End the process in good order, by force after a while."""
        self.closing = True
        if self._supervisor is None:
            return
        if self._writer is not None:
            with contextlib.suppress(ConnectionError):
                self._writer.write(self._owner.farewell())
            await asyncio.wait({self._supervisor}, timeout=self._timing.close)
        self._kill()
        await end([self._supervisor])

    async def _supervise(self) -> None:
        pause = self._timing.pause_min
        while not self.closing:
            started = time.monotonic()
            self._failure = ""
            await self._live()
            if self.closing:
                break
            self.restarts += 1
            if time.monotonic() - started > self._timing.settled:
                pause = self._timing.pause_min
            if not self._failed:
                child = self._child
                log.error(
                    "%s=%s event=process_lost reason=%r", child.kind, child.name, self._failure
                )
            self._failed = True
            await asyncio.sleep(self._jitter.uniform(pause / 2, pause))
            pause = min(pause * 2, self._timing.pause_max)

    async def _live(self) -> None:
        """Start one process, hear it to its end, and clean up after it."""
        ours, theirs = socket.socketpair()
        most = self._child.most_bytes
        try:
            with theirs:
                process = await self._spawn(theirs)
            self._process = process
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=most)
        except OSError as error:
            ours.close()
            self._kill()
            self._mourn(f"the {self._child.kind} process cannot be started: {error}")
            return
        writer.write(self._owner.greeting())
        self._writer = writer
        watch = asyncio.create_task(self._watch())
        try:
            await self._hear(reader)
        except WireError as error:
            self._failure = str(error)
        finally:
            watch.cancel()
            self._writer = None
            self._kill()
            status = await process.wait()
            self._process = None
            writer.close()
            ended = f"the {self._child.kind} process ended with status {status}"
            self._mourn(self._failure or ended)

    async def _spawn(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        level = logging.getLevelName(log.getEffectiveLevel())
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", self._child.module, *self._child.arguments),
            *ChildArguments(theirs.fileno(), os.getpid(), level).as_list(),
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **self._child.environment},
            pass_fds=(theirs.fileno(),),
        )

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        """Hand on everything the process sends, to the end of its stream."""
        self._heard = time.monotonic() + self._timing.start - self._timing.silence
        while (frame := await receive(reader, most=self._child.most_bytes)) is not None:
            self._heard = time.monotonic()
            self._failure = self._owner.hear(frame) or self._failure

    async def _watch(self) -> None:
        """Kill the process when it stays silent longer than the host stayed asleep itself.

        On a busy machine a process may be silent because it is not let run. From half of the
        patience on that time does not count: to start another one would cost more of what lacks.
        """
        starving: Starving | None = None
        while True:
            before = time.monotonic()
            await asyncio.sleep(_WATCH_S)
            overslept = time.monotonic() - before - _WATCH_S
            if overslept > _WATCH_S:
                self._heard += overslept
            silence = time.monotonic() - self._heard
            if silence < self._timing.silence / 2 or self.pid is None:
                starving = None
            elif starving is None:
                starving = Starving(self.pid)
            else:
                self._heard += max(0.0, starving.since() - max(0.0, overslept))
            silence = time.monotonic() - self._heard
            if silence > self._timing.silence:
                self._failure = f"the {self._child.kind} process was silent for {silence:.1f} s"
                self._kill()
                return

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def settled(self) -> None:
        """Note that the process does its work again, so that its next failure is told."""
        if self._failed:
            child = self._child
            log.info("%s=%s event=process_back restarts=%d", child.kind, child.name, self.restarts)
            self._failed = False

    def _mourn(self, reason: str) -> None:
        self._failure = reason
        self._owner.mourn(reason)
