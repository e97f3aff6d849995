"""Passwords: kept only as argon2id hashes, checked beside the event loop, never guessable by time.

Argon2id with 64 MiB and three passes is the first recommended option of RFC 9106 section 4 for
memory-constrained machines. One check takes about a tenth of a second and 64 MiB, so that at most
two run at once and the event loop never waits.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM_LENGTH = 12
_CONCURRENT_CHECKS = 2
# No 0/o, 1/l/i: a first password is read from a terminal and typed.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 5, 4


def random_password() -> str:
    """A password of five groups of four letters and digits, 99 bits of chance."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    )
    return "-".join(groups)


class Passwords:
    """Hashes and checks passwords in worker threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Use `hasher`, by default argon2id with 64 MiB, three passes, four lanes."""
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(_CONCURRENT_CHECKS, thread_name_prefix="argon2")
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash of `password`, with its own random salt."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` made the hash `stored`.

        Without a stored hash (an unknown user) a decoy is checked, so that the answer takes as
        long as for a known user and names cannot be probed by time.
        """
        if stored is None and self._decoy is None:
            self._decoy = await self.hash(random_password())
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(
            self._threads, self._matches, stored or self._decoy or "", password
        )
        return matches and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether `stored` was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let the worker threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
