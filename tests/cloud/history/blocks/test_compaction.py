"""Whatever is moved, merged or killed: every sample is stored once and reads the same."""

import asyncio

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.history import Resolution, SignalRef
from cloud.history.blocks import compaction
from contract import layouts
from contract.frame import Quality
from tests.cloud.stations import T0_MS, frame

HOUR_MS = 3_600_000
POWER = SignalRef("METER", "active_power_kw")


async def samples(stored, device="METER", layout="meter", start=T0_MS - HOUR_MS, hours=48):
    return await stored.history.samples("alpha", device, layout, start, start + hours * HOUR_MS)


async def test_a_frame_across_the_hour_is_cut_there(stored):
    await stored.put([frame(t0_ms=T0_MS + HOUR_MS - 30_000, n=60)])

    assert await stored.compact() == 2

    found = await samples(stored)
    assert len(found.times_ms) == 60
    assert found.duplicated == 0


async def test_bodies_go_and_ledger_rows_stay(stored):
    for part in range(5):
        await stored.put([frame(t0_ms=T0_MS + part * 2_000)])

    await stored.compact()

    assert await stored.count("hot_batches") == 0
    assert await stored.count("batches") == 5
    counts = await stored.history.ledger("alpha", T0_MS, T0_MS + HOUR_MS)
    assert (counts.batches, counts.samples) == (5, 10)
    assert counts.values == counts.disk_values == 10 * layouts.METER.width


async def test_batches_that_are_too_young_wait(stored):
    await stored.put([frame()])

    done = await stored.compactor.compact("alpha", age_s=3_600)

    assert (done.batches, await stored.count("hot_batches")) == (0, 1)


async def test_a_sample_stored_twice_is_counted_wherever_it_lies(stored):
    await stored.put([frame(n=4)])
    await stored.put([frame(t0_ms=T0_MS + 2_000, n=4)])
    for step in ("waiting", "parts", "hour", "again"):
        if step == "parts":
            await stored.compact()
        if step == "hour":
            await stored.merge_hours()
        if step == "again":
            await stored.put([frame(t0_ms=T0_MS, n=1)])
            await stored.compact()
            await stored.merge_hours()

        found = await samples(stored)

        assert len(found.times_ms) == 6
        assert found.duplicated == (3 if step == "again" else 2)


async def test_other_grids_of_the_same_device_live_side_by_side(stored):
    await stored.put([frame(n=10)])
    await stored.put([frame(t0_ms=T0_MS + 20_000, n=5, step_ms=10_000)])
    await stored.put([frame(t0_ms=T0_MS + 100_500, n=5)])

    await stored.compact()
    await stored.merge_hours()

    assert await stored.count("blocks") == 3
    found = await samples(stored)
    assert len(found.times_ms) == 20
    assert T0_MS + 104_500 in found.times_ms


async def test_a_kill_in_the_middle_leaves_everything_as_it_was(stored, monkeypatch):
    await stored.put([frame(n=30)])

    async def killed(*_: object) -> None:
        raise psycopg.OperationalError("terminated")

    monkeypatch.setattr(compaction, "_quarantine", killed)
    with pytest.raises(Exception, match="broke off"):
        await stored.compact()
    monkeypatch.undo()

    assert await stored.count("blocks") == 0
    assert await stored.count("hot_batches") == 1
    assert await stored.compact() == 1
    assert len((await samples(stored)).times_ms) == 30


async def test_readers_see_every_sample_once_while_compaction_runs(stored):
    for part in range(40):
        await stored.put([frame(t0_ms=T0_MS + part * 1_000, n=1)])
    seen: list[tuple[int, int]] = []

    async def read() -> None:
        for _ in range(25):
            found = await samples(stored)
            seen.append((len(found.times_ms), found.duplicated))

    async def move() -> None:
        await stored.compact()
        await stored.merge_hours()

    await asyncio.gather(read(), read(), move())

    assert set(seen) == {(40, 0)}


async def test_two_compactors_do_not_move_a_batch_twice(stored):
    for part in range(20):
        await stored.put([frame(t0_ms=T0_MS + part * 2_000)])

    await asyncio.gather(*(stored.compact() for _ in range(5)))
    await asyncio.gather(*(stored.merge_hours() for _ in range(3)))

    found = await samples(stored)
    assert (len(found.times_ms), found.duplicated) == (40, 0)
    assert await stored.count("blocks") == 1


async def test_a_body_that_cannot_be_read_is_set_aside_and_the_others_go_on(stored):
    await stored.put([frame()])
    await stored.put([frame(t0_ms=T0_MS + 2_000)])
    async with stored.pool.connection() as conn:
        await conn.execute(
            "UPDATE hot_batches SET body = set_byte(body, 80, get_byte(body, 80) # 1)"
            " WHERE sequence = 1"
        )

    done = await stored.compactor.compact("alpha", age_s=0)

    assert (done.batches, done.quarantined) == (1, 1)
    assert (await samples(stored)).times_ms.tolist() == [T0_MS + 2_000, T0_MS + 3_000]
    assert await stored.compact() == 0


async def test_blocks_are_unreadable_without_the_key_and_cannot_be_exchanged(stored):
    await stored.put([frame(n=10), frame("FIRE", layouts.FIRE, n=10)])
    await stored.put([frame(t0_ms=T0_MS + HOUR_MS, n=10)])
    await stored.compact()
    async with stored.pool.connection() as conn:
        rows = await (await conn.execute("SELECT body FROM blocks")).fetchall()
        assert all(b"METER" not in row[0] for row in rows)
        await conn.execute(
            "UPDATE blocks SET body = (SELECT body FROM blocks WHERE device = 'METER'"
            " AND hour_ms = %s) WHERE device = 'METER' AND hour_ms = %s",
            [T0_MS + HOUR_MS, T0_MS],
        )

    found = await stored.history.samples("alpha", "METER", "meter", T0_MS, T0_MS + 2 * HOUR_MS)
    assert len(found.damaged) == 1
    assert "METER" in found.damaged[0]
    assert found.times_ms.tolist() == [T0_MS + HOUR_MS + k * 1_000 for k in range(10)]


_WRITES = st.lists(st.tuples(st.integers(0, 7_200), st.integers(1, 90)), min_size=1, max_size=12)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(writes=_WRITES, moves=st.lists(st.sampled_from(["compact", "merge", ""]), max_size=12))
async def test_any_order_of_writing_and_moving_reads_the_same(stored, writes, moves):
    device = f"M{stored.sequence}"
    expected: dict[int, int] = {}
    for number, (second, n) in enumerate(writes):
        await stored.put([frame(device, t0_ms=T0_MS + second * 1_000, n=n)])
        for tick in range(second, second + n):
            expected[tick] = expected.get(tick, 0) + 1
        if number < len(moves):
            await {"compact": stored.compact, "merge": stored.merge_hours}.get(
                moves[number], _nothing
            )()

    found = await samples(stored, device)
    read = await stored.history.query(
        "alpha",
        [SignalRef(device, "active_power_kw")],
        T0_MS,
        T0_MS + 3 * HOUR_MS,
        resolution=Resolution.RAW,
    )

    ticks = sorted(expected)
    assert found.times_ms.tolist() == [T0_MS + tick * 1_000 for tick in ticks]
    assert found.duplicated == sum(expected.values()) - len(expected)
    whole = frame(device, t0_ms=T0_MS, n=ticks[-1] + 1).physical("active_power_kw")[:, 0]
    np.testing.assert_array_equal(read.series[0].values, whole[ticks])
    assert (read.series[0].quality == Quality.GOOD).all()


async def _nothing() -> None:
    """Move nothing this time."""
