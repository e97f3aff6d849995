import hashlib

import pytest

from cloud import fleet
from cloud.db import connection
from cloud.errors import NotFound
from cloud.fleet import StationFacts
from cloud.fleet.stations import StationExists

FACTS = StationFacts("haibin-1", "Haibin 1", "海滨一站", "Asia/Shanghai", 3450, 7450, 0.1, 0.9)


async def test_a_new_station_is_found_again_as_it_was_stated(pool):
    made = await fleet.create(pool, FACTS, "admin")

    found = await fleet.find(pool, "haibin-1")

    assert found == made.station
    assert (found.soc_min, found.soc_max, found.enrolled_at) == (0.1, 0.9, None)
    assert (found.title("en"), found.title("zh-Hans")) == ("Haibin 1", "海滨一站")
    assert [s.id for s in await fleet.list_all(pool)] == ["haibin-1"]


async def test_only_the_hash_of_an_enrolment_token_is_kept(pool):
    made = await fleet.create(pool, FACTS, "admin")

    async with connection(pool) as conn:
        rows = await (
            await conn.execute("SELECT token_hash, enrolment_tokens::text FROM enrolment_tokens")
        ).fetchall()

    assert bytes(rows[0][0]) == hashlib.sha256(made.enrolment_token.encode()).digest()
    assert made.enrolment_token not in rows[0][1]


async def test_an_id_is_taken_once_and_a_refusal_leaves_nothing_behind(pool):
    await fleet.create(pool, FACTS, "admin")

    with pytest.raises(StationExists, match="haibin-1"):
        await fleet.create(pool, FACTS, "admin")

    async with connection(pool) as conn:
        row = await (await conn.execute("SELECT count(*) FROM enrolment_tokens")).fetchone()
    assert row[0] == 1


async def test_an_unknown_station_is_named(pool):
    with pytest.raises(NotFound, match="nowhere"):
        await fleet.find(pool, "nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        await fleet.issue_token(pool, "nowhere", "admin")
