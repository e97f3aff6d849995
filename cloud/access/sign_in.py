"""Signing in: throttle, password, session, and a row in the audit for each outcome."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from cloud.access import audit, sessions, throttle, users
from cloud.access.passwords import Passwords
from cloud.access.sessions import Session
from cloud.db import Pool
from cloud.errors import Refused

FIRST_SIGN_IN_FILE = "first-sign-in.txt"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Where a request comes from; `program` when no browser makes it."""

    address: str
    agent: str
    program: bool = False


@dataclass(frozen=True)
class Credentials:
    """What somebody who signs in knows. `repr` shows no password."""

    user: str
    password: str = field(repr=False)


class SignInRefused(Refused):
    """User and password do not belong together; which of them is wrong is not said."""

    code = "sign_in_refused"
    status = 401


class TooManyAttempts(Refused):
    """Too many failures in a row; the wait is in `wait_s`."""

    code = "too_many_attempts"
    status = 429

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(f"too many failed attempts; try again in {wait_s} s")


async def sign_in(
    pool: Pool, passwords: Passwords, credentials: Credentials, caller: Caller, data_dir: Path
) -> Session:
    """Open a session for the user who gives these credentials.

    At the first success the file with the first password is removed from `data_dir`.

    Raises:
        TooManyAttempts: earlier failures from this address have to be waited for.
        SignInRefused: wrong user or password.
    """
    name, password = credentials.user, credentials.password
    wait_s = await throttle.seconds_to_wait(pool, name, caller.address)
    if wait_s > 0:
        await audit.note(pool, name, "sign_in_throttled", detail={"address": caller.address})
        raise TooManyAttempts(wait_s)
    account = await users.find(pool, name)
    right = await passwords.verify(account.password_hash if account else None, password)
    await throttle.note_attempt(pool, name, caller.address, succeeded=right)
    if account is None or not right:
        await audit.note(pool, name, "sign_in_refused", detail={"address": caller.address})
        _log.warning("event=sign_in_refused address=%s", caller.address)
        raise SignInRefused("user or password is wrong")
    renewed = await passwords.hash(password) if passwords.outdated(account.password_hash) else None
    await users.note_sign_in(pool, account.user, renewed)
    await audit.note(pool, name, "sign_in", detail={"address": caller.address})
    (data_dir / FIRST_SIGN_IN_FILE).unlink(missing_ok=True)
    return await sessions.open_session(
        pool, account.user, caller.address, caller.agent, program=caller.program
    )


async def sign_out(pool: Pool, session: Session) -> None:
    """End the session and say so in the audit."""
    await sessions.close_session(pool, session)
    await audit.note(pool, session.user.name, "sign_out")
