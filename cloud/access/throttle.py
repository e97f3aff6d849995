"""Failed sign-ins slow the next attempt down, per account and per address, never for good.

The first few mistakes are free; after that each failure doubles the wait up to a quarter of an
hour, so that guessing is hopeless while nobody can lock a colleague out for a day. Attempts are
rows in the database, so that every web worker counts the same.
"""

import math

from cloud.db import Pool, connection

FREE_FAILURES = 4
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 900.0
_WINDOW_S = 3600.0

_FAILURES = """
SELECT count(*), extract(epoch FROM now() - max(at))
FROM sign_in_attempts
WHERE user_name = %(user)s AND address = %(address)s AND NOT succeeded
  AND at > now() - make_interval(secs => %(window)s)
  AND at > coalesce(
      (SELECT max(at) FROM sign_in_attempts
       WHERE user_name = %(user)s AND address = %(address)s AND succeeded), '-infinity')
"""


def wait_after(failures: int) -> float:
    """Seconds that must pass after the latest of `failures` failed attempts in a row."""
    if failures <= FREE_FAILURES:
        return 0.0
    doublings = min(failures - FREE_FAILURES - 1, 32)
    return float(min(FIRST_WAIT_S * 2**doublings, LONGEST_WAIT_S))


async def seconds_to_wait(pool: Pool, user: str, address: str) -> int:
    """Whole seconds until `user` may try again from `address`; 0 when now."""
    async with connection(pool) as conn:
        row = await (
            await conn.execute(_FAILURES, {"user": user, "address": address, "window": _WINDOW_S})
        ).fetchone()
    failures, age_s = row or (0, None)
    if age_s is None:
        return 0
    return max(0, math.ceil(wait_after(int(failures)) - float(age_s)))


async def note_attempt(pool: Pool, user: str, address: str, *, succeeded: bool) -> None:
    """Remember one attempt."""
    async with connection(pool) as conn:
        await conn.execute(
            "INSERT INTO sign_in_attempts (user_name, address, succeeded) VALUES (%s, %s, %s)",
            (user, address, succeeded),
        )
