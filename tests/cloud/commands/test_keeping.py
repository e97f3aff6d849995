import datetime as dt

from cloud.commands.keeping import drop_commands
from cloud.history.retention import policy

DAY_MS = 86_400_000
NOW = dt.datetime.now(dt.UTC)
NOW_MS = round(NOW.timestamp() * 1000)


async def store(pool, ages_days) -> None:
    times = [NOW_MS - age * DAY_MS for age in ages_days]
    async with pool.connection() as conn:
        await conn.execute("SELECT make_command_months(%s)", [times])
        await conn.execute(
            "INSERT INTO commands SELECT 'alpha', t, t::text, 'D', 'start', 'agc', 'delivered',"
            " t, t, now(), '' FROM unnest(%s::bigint[]) AS t",
            [times],
        )


async def count(pool) -> int:
    async with pool.connection() as conn:
        return (await (await conn.execute("SELECT count(*) FROM commands")).fetchone())[0]


async def test_what_is_older_than_the_policy_says_goes_and_the_rest_stays(pool):
    await store(pool, [0, 100, 300, 800, 20_000])

    waits = await drop_commands(pool, policy.load().commands.keep.before_ms(NOW))

    assert waits is None
    assert await count(pool) == 3


async def test_a_busy_table_is_tried_again_and_holds_nobody_up(pool, monkeypatch):
    monkeypatch.setattr("cloud.commands.keeping._TABLE_WAIT", "10ms")
    await store(pool, [0, 390])

    async with pool.connection() as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM commands")
        waits = await drop_commands(pool, NOW_MS - 300 * DAY_MS)
    then = await drop_commands(pool, NOW_MS - 300 * DAY_MS)

    assert waits == "old commands: their table is busy"
    assert (then, await count(pool)) == (None, 1)


def test_a_policy_that_says_nothing_of_commands_keeps_them(tmp_path):
    text = policy.DEFAULT.read_text()
    file = tmp_path / "policy.toml"
    file.write_text(text.replace("[commands]", "").replace('keep = "1 year"', ""))

    assert policy.load(file).commands.keep == policy.FOREVER
