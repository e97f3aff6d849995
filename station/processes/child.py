"""The process's own side: how it starts, whom it dies with, and how it leaves."""

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import NoReturn

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class ChildArguments:
    """What every process of the station is started with.

    Attributes:
        fd: its end of the socket pair.
        parent: process id of the host.
        log_level: of the host.
    """

    fd: int
    parent: int
    log_level: str

    def as_list(self) -> list[str]:
        """Return them as a command line."""
        return [
            *("--fd", str(self.fd), "--parent", str(self.parent)),
            *("--log-level", self.log_level),
        ]


def child_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of `ChildArguments`, to which a process adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--log-level", default="INFO")
    return parser


def attend(parent: int) -> None:
    """Die with the parent, and leave it to the parent when to end.

    Let the kernel kill this process with its parent (Linux; elsewhere the stream's end does). A
    terminal's Ctrl-C reaches the whole group, and so does the SIGTERM of whoever stops a group or
    a service; the host alone decides when its process ends.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


async def open_stream(fd: int, *, most: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the process's end of the talk with its host."""
    stream = socket.socket(fileno=fd)
    stream.setblocking(False)
    return await asyncio.open_connection(sock=stream, limit=most)


def leave(status: int) -> NoReturn:
    """End without waiting for threads that may hang in C."""
    logging.shutdown()
    os._exit(status)
