"""Ports for a run whose configuration is to be used again."""

import contextlib
import random
import socket

from launcher.errors import LauncherError

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below the range from which Linux gives out ports by itself."""
_ATTEMPTS = 50


def free_block(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` neighbouring ports that are free at this moment.

    Raises:
        LauncherError: none were found.
    """
    for _ in range(_ATTEMPTS):
        base = random.randrange(_LOWEST, _HIGHEST - count)  # noqa: S311 - any place will do
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
        return base
    raise LauncherError(
        f"no {count} neighbouring ports are free on {host}. Remedy: stop what listens there."
    )
