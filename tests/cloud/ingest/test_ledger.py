"""The ledger alone: groups, races between workers, and what a group does to its neighbours."""

import asyncio
from dataclasses import replace

import pytest

from cloud.errors import Unavailable
from cloud.ingest import GroupCommit, Offer, Result
from cloud.ingest.gate import minute_runs
from cloud.ingest.ledger import store
from contract.frame import FrameHeader
from tests.cloud.stations import T0_MS, create_station, trusted


@pytest.fixture
async def offer(pool) -> Offer:
    await create_station(pool, "alpha")
    peer = await trusted(pool)
    return Offer(
        station="alpha",
        epoch=1,
        stream=1,
        sequence=1,
        fingerprint=peer.fingerprint,
        sha256=bytes(32),
        size=5,
        body=b"\x00\xff\x01ab",
        samples=2,
        value_count=24,
        t_first_ms=T0_MS + 59_000,
        t_last_ms=T0_MS + 61_000,
        minutes=[(T0_MS, T0_MS + 60_000)],
    )


def test_a_late_sample_marks_its_own_minute_and_not_those_between():
    now, week = T0_MS, 7 * 86_400_000
    headers = [
        FrameHeader("METER", b"12345678", now + 59_000, 1_000, 2, 0),
        FrameHeader("METER", b"12345678", now - week, 1_000, 1, 0),
        FrameHeader("FIRE", b"12345678", now, 900_000, 3, 0),
    ]

    runs = minute_runs(headers)

    assert runs == [
        (now - week, now - week),
        (now, now + 60_000),
        (now + 900_000, now + 900_000),
        (now + 1_800_000, now + 1_800_000),
    ]


async def rows(pool, sql: str):
    async with pool.connection() as conn:
        return await (await conn.execute(sql)).fetchall()


async def test_workers_that_store_the_same_message_at_once_store_it_once(pool, offer):
    for sequence in range(1, 11):
        same = replace(offer, sequence=sequence)
        results = await asyncio.gather(*(store(pool, [same]) for _ in range(6)))

        assert sorted(one[0] for one in results) == [Result.DUPLICATE] * 5 + [Result.STORED]
    assert await rows(pool, "SELECT count(*) FROM hot_batches") == [(10,)]
    assert await rows(pool, "SELECT duplicates, conflicts FROM ledger_counters") == [(50, 0)]


async def test_a_group_with_every_kind_of_message_answers_each_rightly(pool, offer):
    revoked = await trusted(pool, revoked_at="2020-01-01")
    expired = await trusted(pool, not_after="2020-01-01")
    await store(pool, [offer])
    group = [
        offer,
        replace(offer, sha256=b"x" * 32),
        replace(offer, sequence=2),
        replace(offer, sequence=2),
        replace(offer, sequence=2, sha256=b"y" * 32),
        replace(offer, sequence=3, fingerprint=revoked.fingerprint),
        replace(offer, sequence=4, fingerprint=expired.fingerprint),
        replace(offer, sequence=5, station="beta"),
        replace(offer, sequence=1, stream=3, body=b""),
    ]

    results = await store(pool, group)

    assert results == [
        Result.DUPLICATE,
        Result.CONFLICT,
        Result.STORED,
        Result.DUPLICATE,
        Result.CONFLICT,
        Result.UNTRUSTED,
        Result.UNTRUSTED,
        Result.UNTRUSTED,
        Result.STORED,
    ]
    found = await rows(pool, "SELECT stream, sequence FROM batches ORDER BY 1, 2")
    assert found == [(1, 1), (1, 2), (3, 1)]
    assert await rows(pool, "SELECT sequence, body FROM hot_batches ORDER BY 1") == [
        (1, offer.body),
        (2, offer.body),
    ]


async def test_every_touched_minute_is_dirty_and_a_new_batch_marks_it_anew(pool, offer):
    await store(pool, [offer])
    before = dict(await rows(pool, "SELECT minute_ms, mark FROM dirty"))
    await store(pool, [offer])
    unchanged = dict(await rows(pool, "SELECT minute_ms, mark FROM dirty"))
    await store(pool, [replace(offer, sequence=2, minutes=[(T0_MS + 60_000,) * 2])])
    after = dict(await rows(pool, "SELECT minute_ms, mark FROM dirty"))

    assert sorted(before) == [T0_MS, T0_MS + 60_000]
    assert unchanged == before
    assert after[T0_MS] == before[T0_MS]
    assert after[T0_MS + 60_000] > before[T0_MS + 60_000]


async def test_what_waits_during_a_commit_goes_together_into_the_next(pool, offer):
    commit = GroupCommit(pool)
    offers = [replace(offer, sequence=number) for number in range(1, 501)]
    waiting = [asyncio.ensure_future(commit.offer(one)) for one in offers]
    running = asyncio.create_task(commit.run())

    results = await asyncio.gather(*waiting)
    running.cancel()

    assert set(results) == {Result.STORED}
    commits = await rows(pool, "SELECT count(DISTINCT xmin::text) FROM batches")
    assert commits == [(2,)]  # 256 is the largest group


async def test_a_message_the_database_refuses_does_not_hold_up_its_neighbours(pool, offer):
    commit = GroupCommit(pool)
    poison = replace(offer, sequence=2, events=[{"id": None}])
    waiting = [
        asyncio.ensure_future(commit.offer(one))
        for one in (offer, poison, replace(offer, sequence=3))
    ]
    running = asyncio.create_task(commit.run())

    results = await asyncio.gather(*waiting, return_exceptions=True)
    running.cancel()

    assert (results[0], results[2]) == (Result.STORED, Result.STORED)
    assert isinstance(results[1], Unavailable)
    assert await rows(pool, "SELECT sequence FROM batches ORDER BY 1") == [(1,), (3,)]


async def test_beyond_a_limit_messages_are_refused_instead_of_kept_in_memory(pool, offer):
    commit = GroupCommit(pool)
    waiting = [asyncio.ensure_future(commit.offer(offer)) for _ in range(2_000)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable, match="too many"):
        await commit.offer(offer)
    for one in waiting:
        one.cancel()
