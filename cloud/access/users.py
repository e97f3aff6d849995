"""Users: who may sign in, with which roles. The first one is made at the first start."""

from dataclasses import dataclass

import psycopg

from cloud.access.authorize import Role, User
from cloud.access.passwords import MINIMUM_LENGTH, Passwords, random_password
from cloud.db import Pool, connection
from cloud.errors import Refused

FIRST_USER = "admin"
# Serialises the workers of a first start, so that only one makes the first user.
_FIRST_USER_LOCK = 0x5354_4131
_LONGEST_NAME = 64


@dataclass(frozen=True)
class FirstSignIn:
    """The first administrator's credentials; the password exists nowhere else."""

    user: str
    password: str


@dataclass(frozen=True)
class Account:
    """A user together with the hash that a password is checked against."""

    user: User
    password_hash: str


class UserRefused(Refused):
    """A user cannot be made or changed as asked."""

    code = "user_refused"
    status = 422


async def ensure_admin(pool: Pool, passwords: Passwords | None = None) -> FirstSignIn | None:
    """Make the first administrator with a random password, unless there is any user.

    Returns:
        The credentials to show once, or None when users exist already.
    """
    keeper = passwords or Passwords()
    password = random_password()
    async with connection(pool) as conn, conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_FIRST_USER_LOCK,))
        if await (await conn.execute("SELECT 1 FROM users LIMIT 1")).fetchone():
            return None
        await conn.execute(
            "INSERT INTO users (name, password_hash, roles) VALUES (%s, %s, %s)",
            (FIRST_USER, await keeper.hash(password), [Role.ADMIN.value]),
        )
    return FirstSignIn(FIRST_USER, password)


async def create(
    pool: Pool, passwords: Passwords, name: str, password: str, roles: frozenset[Role]
) -> User:
    """Make a user.

    Raises:
        UserRefused: the name is taken or empty, or the password is too short.
    """
    if not name or len(name) > _LONGEST_NAME or name != name.strip():
        raise UserRefused(f"user name {name!r}: use 1 to {_LONGEST_NAME} characters")
    if len(password) < MINIMUM_LENGTH:
        raise UserRefused(f"the password is too short; use at least {MINIMUM_LENGTH} characters")
    stored = await passwords.hash(password)
    try:
        async with connection(pool) as conn:
            row = await (
                await conn.execute(
                    "INSERT INTO users (name, password_hash, roles) VALUES (%s, %s, %s) "
                    "RETURNING id::text",
                    (name, stored, sorted(roles)),
                )
            ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise UserRefused(f"user name {name!r} is taken; choose another") from error
    return User(str(row[0]) if row else "", name, roles)


async def find(pool: Pool, name: str) -> Account | None:
    """The account of the user called `name`, unless there is none or it is disabled."""
    async with connection(pool) as conn:
        row = await (
            await conn.execute(
                "SELECT id::text, name, roles, language, password_hash FROM users "
                "WHERE name = %s AND disabled_at IS NULL",
                (name,),
            )
        ).fetchone()
    if row is None:
        return None
    return Account(User(row[0], row[1], known_roles(row[2]), row[3]), row[4])


async def note_sign_in(pool: Pool, user: User, new_hash: str | None) -> None:
    """Remember the time of a sign-in and, where the parameters have grown, the renewed hash."""
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE users SET last_sign_in_at = now(), "
            "password_hash = coalesce(%s, password_hash) WHERE id = %s",
            (new_hash, user.id),
        )


async def keep_language(pool: Pool, user: User, language: str) -> None:
    """Remember the language that the user reads."""
    async with connection(pool) as conn:
        await conn.execute("UPDATE users SET language = %s WHERE id = %s", (language, user.id))


def known_roles(names: list[str]) -> frozenset[Role]:
    """The roles among `names` that this version knows; unknown ones permit nothing."""
    return frozenset(Role(name) for name in names if name in set(Role))
