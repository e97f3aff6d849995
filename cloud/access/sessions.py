"""Sessions live on the server; the browser holds only a random name for one.

A session ends after 15 minutes without a person's act, 12 hours after sign-in, or at sign-out. The
database keeps the SHA-256 of the cookie's value, so that a copy of the table opens no session.
"""

import hashlib
import secrets
from dataclasses import dataclass

from cloud.access.authorize import User
from cloud.access.users import known_roles
from cloud.db import Pool, connection

IDLE_S = 15 * 60
ABSOLUTE_S = 12 * 3600
_TOKEN_BYTES = 32
_LONGEST_AGENT = 200

_FIND = """
SELECT u.id::text, u.name, u.roles, u.language, s.csrf_token
FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.token_hash = %s AND s.revoked_at IS NULL AND s.expires_at > now()
  AND s.last_seen_at > now() - make_interval(secs => %s) AND u.disabled_at IS NULL
"""


@dataclass(frozen=True)
class Session:
    """An open session: who it is, and the CSRF token its pages carry."""

    token: str
    user: User
    csrf_token: str


async def open_session(
    pool: Pool, user: User, address: str, agent: str, *, program: bool = False
) -> Session:
    """Open a session for `user`; its token goes into the cookie and nowhere else.

    A program has no idle time: its session counts as seen until it ends.
    """
    seen_ahead_s = ABSOLUTE_S if program else 0
    token, csrf_token = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    async with connection(pool) as conn:
        await conn.execute("DELETE FROM sessions WHERE expires_at < now() - interval '1 day'")
        await conn.execute(
            "INSERT INTO sessions"
            " (token_hash, user_id, csrf_token, address, user_agent, expires_at, last_seen_at)"
            " VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s),"
            " now() + make_interval(secs => %s))",
            (
                *(_hash(token), user.id, csrf_token, address, agent[:_LONGEST_AGENT]),
                *(ABSOLUTE_S, seen_ahead_s),
            ),
        )
    return Session(token, user, csrf_token)


async def find_session(pool: Pool, token: str) -> Session | None:
    """The open session of this cookie value, or None."""
    async with connection(pool) as conn:
        row = await (await conn.execute(_FIND, (_hash(token), IDLE_S))).fetchone()
    if row is None:
        return None
    return Session(token, User(row[0], row[1], known_roles(row[2]), row[3]), row[4])


async def touch(pool: Pool, session: Session) -> None:
    """A person acted: the idle time starts again (written at most every ten seconds)."""
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE sessions SET last_seen_at = now() "
            "WHERE token_hash = %s AND last_seen_at < now() - interval '10 seconds'",
            (_hash(session.token),),
        )


async def close_session(pool: Pool, session: Session) -> None:
    """End the session now."""
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE sessions SET revoked_at = now() WHERE token_hash = %s", (_hash(session.token),)
        )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
