import pytest

from cloud.db import connection, containing


@pytest.mark.parametrize(
    ("text", "part", "found"),
    [
        ("C1-R07", "c1-r", True),
        ("rack_alarms.9", "k_a", True),
        ("rackxalarms.9", "k_a", False),
        ("50 % of it", "0 %", True),
        ("50 of it", "5%i", False),
        (r"a\b", "\\", True),
        ("ab", "\\", False),
    ],
)
async def test_a_part_is_looked_for_as_it_stands(pool, text, part, found):
    async with connection(pool) as conn:
        row = await (await conn.execute("SELECT %s ILIKE %s", [text, containing(part)])).fetchone()

    assert row == (found,)


def test_no_text_is_no_condition():
    assert containing("") is None
