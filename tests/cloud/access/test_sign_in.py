import asyncio

import pytest

from cloud.access import Role, ensure_admin, sessions, users
from cloud.access.sign_in import (
    FIRST_SIGN_IN_FILE,
    Caller,
    Credentials,
    SignInRefused,
    TooManyAttempts,
    sign_in,
    sign_out,
)
from cloud.access.users import UserRefused
from cloud.db import connection
from tests.cloud.web.console import quick_passwords

HERE = Caller("10.0.0.1", "test")


async def rows(pool, query):
    async with connection(pool) as conn:
        return await (await conn.execute(query)).fetchall()


async def test_the_first_start_makes_one_admin_even_when_workers_race(pool):
    made = await asyncio.gather(*(ensure_admin(pool, quick_passwords()) for _ in range(4)))

    firsts = [one for one in made if one is not None]
    assert len(firsts) == 1
    assert firsts[0].user == "admin"
    assert await ensure_admin(pool, quick_passwords()) is None
    stored = await rows(pool, "SELECT password_hash, roles FROM users")
    assert firsts[0].password not in stored[0][0]
    assert stored[0][1] == ["admin"]


async def test_two_first_starts_never_make_the_same_password(pool, tmp_path):
    first = await ensure_admin(pool, quick_passwords())
    await rows(pool, "DELETE FROM users RETURNING 1")
    second = await ensure_admin(pool, quick_passwords())

    assert first.password != second.password


async def test_a_right_sign_in_opens_a_session_and_removes_the_first_sign_in_file(pool, tmp_path):
    first = await ensure_admin(pool, quick_passwords())
    (tmp_path / FIRST_SIGN_IN_FILE).write_text(first.password)

    session = await sign_in(
        pool, quick_passwords(), Credentials(first.user, first.password), HERE, tmp_path
    )

    found = await sessions.find_session(pool, session.token)
    assert found.user.name == "admin"
    assert found.user.roles == {Role.ADMIN}
    assert found.csrf_token == session.csrf_token
    assert not (tmp_path / FIRST_SIGN_IN_FILE).exists()
    assert await rows(pool, "SELECT actor, action FROM audit") == [("admin", "sign_in")]


async def test_the_cookie_of_a_session_is_not_in_the_database(pool, tmp_path):
    first = await ensure_admin(pool, quick_passwords())
    credentials = Credentials(first.user, first.password)
    session = await sign_in(pool, quick_passwords(), credentials, HERE, tmp_path)

    stored = str(await rows(pool, "SELECT sessions::text FROM sessions"))

    assert session.token not in stored


@pytest.mark.parametrize("name", ["admin", "nobody"])
async def test_a_wrong_sign_in_is_refused_with_the_same_words_and_written_down(
    pool, tmp_path, name
):
    await ensure_admin(pool, quick_passwords())

    with pytest.raises(SignInRefused, match="user or password is wrong"):
        await sign_in(pool, quick_passwords(), Credentials(name, "wrong"), HERE, tmp_path)

    assert [(name, "sign_in_refused")] == await rows(pool, "SELECT actor, action FROM audit")


async def test_many_failures_make_even_the_right_password_wait(pool, tmp_path):
    first = await ensure_admin(pool, quick_passwords())
    for _ in range(6):
        try:
            await sign_in(pool, quick_passwords(), Credentials("admin", "wrong"), HERE, tmp_path)
        except (SignInRefused, TooManyAttempts):
            continue

    with pytest.raises(TooManyAttempts) as refusal:
        await sign_in(pool, quick_passwords(), Credentials("admin", first.password), HERE, tmp_path)

    assert refusal.value.wait_s > 0


async def test_signing_out_ends_the_session_at_once(pool, tmp_path):
    first = await ensure_admin(pool, quick_passwords())
    credentials = Credentials(first.user, first.password)
    session = await sign_in(pool, quick_passwords(), credentials, HERE, tmp_path)

    await sign_out(pool, session)

    assert await sessions.find_session(pool, session.token) is None


async def test_a_session_ends_after_a_quarter_of_an_hour_without_an_act(pool):
    user = await users.create(
        pool, quick_passwords(), "ann", "right horse battery", frozenset({Role.VIEWER})
    )
    session = await sessions.open_session(pool, user, "10.0.0.1", "test")
    program = await sessions.open_session(pool, user, "10.0.0.1", "test", program=True)

    await rows(
        pool,
        "UPDATE sessions SET last_seen_at = last_seen_at - interval '15 min 1 s' RETURNING 1",
    )

    assert await sessions.find_session(pool, session.token) is None
    assert await sessions.find_session(pool, program.token) is not None


async def test_an_act_keeps_a_session_open_but_not_beyond_twelve_hours(pool):
    user = await users.create(
        pool, quick_passwords(), "ann", "right horse battery", frozenset({Role.VIEWER})
    )
    session = await sessions.open_session(pool, user, "10.0.0.1", "test")
    await rows(pool, "UPDATE sessions SET last_seen_at = now() - interval '14 min' RETURNING 1")

    await sessions.touch(pool, session)
    idle = await rows(pool, "SELECT extract(epoch FROM now() - last_seen_at) FROM sessions")
    await rows(pool, "UPDATE sessions SET expires_at = now() RETURNING 1")

    assert idle[0][0] < 60
    assert await sessions.find_session(pool, session.token) is None


async def test_a_user_with_a_taken_name_or_a_short_password_is_refused(pool):
    passwords = quick_passwords()
    await users.create(pool, passwords, "ann", "right horse battery", frozenset())

    with pytest.raises(UserRefused, match="taken"):
        await users.create(pool, passwords, "ann", "right horse battery", frozenset())
    with pytest.raises(UserRefused, match="at least 12"):
        await users.create(pool, passwords, "bob", "short", frozenset())
    with pytest.raises(UserRefused, match="user name"):
        await users.create(pool, passwords, " bob", "right horse battery", frozenset())
