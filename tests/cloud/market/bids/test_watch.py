"""A product whose gates close every few minutes: one condition, however many nobody has signed."""

from dataclasses import replace

import pytest

from cloud import alarms
from cloud.market import bids
from cloud.market.bids import Approver, Judgement, Missed, NewBid
from tests.cloud.market.bids.conftest import TIMES, Floor
from tests.cloud.market.bids.trade_hall import BEGIN_MS, GATE_MS, content

MINUTE_MS = 60_000
EVERY_MS = 5 * MINUTE_MS
LENGTH_MS = 15 * MINUTE_MS
TIMES_OF_MINUTES = replace(TIMES, escalate_ms=2 * MINUTE_MS, fallback_ms=MINUTE_MS)
PRODUCT = ("haibin-1", "test/rolling")


@pytest.fixture
async def rolling(floor: Floor) -> "Rolling":
    floor.desk.judgement = Judgement(approver=Approver.TRADER)
    return Rolling(floor)


class Rolling:
    """Drafts of fifteen minutes, due every five; the worker looks every minute."""

    def __init__(self, floor: Floor) -> None:
        self.floor, self.edges, self.ids = floor, [], []

    async def draft(self, number: int) -> None:
        made = content(product="rolling")
        gate_ms = GATE_MS + number * EVERY_MS
        moved = tuple(
            replace(one, start_ms=one.start_ms - BEGIN_MS + gate_ms + MINUTE_MS)
            for one in made.bid_set.intervals[:1]
        )
        offers = replace(made.bid_set, intervals=moved, interval_min=LENGTH_MS // MINUTE_MS)
        new = NewBid("east", gate_ms, replace(made, bid_set=offers, explanation=()))
        self.ids.append(
            await bids.draft(
                *(self.floor.pool, self.floor.vault, new),
                who="drafting",
                why="",
                now_ms=self.floor.now_ms,
            )
        )

    async def until(self, begin_ms: int, end_ms: int) -> None:
        """Work and watch by the minute, and tell what stands."""
        for now_ms in range(begin_ms, end_ms, MINUTE_MS):
            await self.floor.run(now_ms)
            await self.tell()

    async def tell(self) -> None:
        pool, now_ms = self.floor.pool, self.floor.now_ms
        standing = await bids.conditions(pool, now_ms, TIMES_OF_MINUTES)
        for code, places in standing.items():
            await alarms.tell_condition(pool, code, places, now_ms)

    async def told(self) -> list[tuple[str, str, bool]]:
        async with self.floor.pool.connection() as conn:
            found = await conn.execute("SELECT code, tag, active FROM cloud_edges ORDER BY id")
            return await found.fetchall()


async def test_a_product_nobody_signs_is_one_alarm_and_its_gates_are_counted(rolling):
    for number in range(12):
        await rolling.draft(number)

    await rolling.until(GATE_MS - 3 * MINUTE_MS, GATE_MS + 11 * EVERY_MS + MINUTE_MS)

    counted = await bids.missed(rolling.floor.pool, "haibin-1", rolling.floor.now_ms)
    engine = alarms.Engine(rolling.floor.pool, rolling.floor.vault, alarms.load())
    await engine.run(rolling.floor.now_ms)
    async with rolling.floor.pool.connection() as conn:
        raised = await (await conn.execute("SELECT code, tag, active FROM alarms")).fetchall()
    assert await rolling.told() == [
        *(
            ("cloud.bid_deadline", "test/rolling", True),
            ("cloud.bid_deadline", "test/rolling", False),
        ),
        ("cloud.bid_missed", "test/rolling", True),
    ]
    assert counted == (Missed("test", "rolling", 12, GATE_MS),)
    assert {(code, tag) for code, tag, active in raised if active} == {
        ("cloud.bid_missed", "test/rolling")
    }


async def test_it_ends_when_a_bid_is_signed_and_the_count_begins_anew(rolling):
    for number in range(6):
        await rolling.draft(number)
    await rolling.until(GATE_MS - MINUTE_MS, GATE_MS + 2 * EVERY_MS)
    before = await bids.conditions(rolling.floor.pool, rolling.floor.now_ms, TIMES_OF_MINUTES)

    await rolling.floor.approve(rolling.ids[2], 1)
    await rolling.floor.run()
    signed = await bids.conditions(rolling.floor.pool, rolling.floor.now_ms, TIMES_OF_MINUTES)
    await rolling.until(GATE_MS + 2 * EVERY_MS, GATE_MS + 3 * EVERY_MS)
    served = await bids.missed(rolling.floor.pool, "haibin-1", rolling.floor.now_ms)
    await rolling.until(GATE_MS + 3 * EVERY_MS, GATE_MS + 4 * EVERY_MS + MINUTE_MS)
    anew = await bids.missed(rolling.floor.pool, "haibin-1", rolling.floor.now_ms)

    assert (before[bids.MISSED], signed[bids.MISSED]) == ({PRODUCT}, frozenset())
    assert served == ()
    assert anew == (Missed("test", "rolling", 2, GATE_MS + 3 * EVERY_MS),)


async def test_it_ends_by_itself_an_hour_after_the_last_delivery_or_when_it_is_taken_back(rolling):
    await rolling.draft(0)
    await rolling.until(GATE_MS, GATE_MS + MINUTE_MS)
    over_ms = GATE_MS + MINUTE_MS + LENGTH_MS + 60 * MINUTE_MS

    async def stands(now_ms: int) -> bool:
        told = await bids.conditions(rolling.floor.pool, now_ms, TIMES_OF_MINUTES)
        return PRODUCT in told[bids.MISSED]

    assert [await stands(at) for at in (over_ms - 1, over_ms)] == [True, False]
    async with rolling.floor.pool.connection() as conn:
        await conn.execute("UPDATE bids SET withdrawn_ms = %s", [GATE_MS - 1])
    assert not await stands(over_ms - 1)


async def test_a_gate_of_the_next_day_calls_people_though_the_one_before_was_missed(rolling):
    await rolling.draft(0)
    await rolling.until(GATE_MS, GATE_MS + MINUTE_MS)
    await rolling.draft(13)  # 65 min later
    near_ms = GATE_MS + 13 * EVERY_MS - 2 * MINUTE_MS
    await rolling.floor.run(near_ms)

    told = await bids.conditions(rolling.floor.pool, near_ms, TIMES_OF_MINUTES)

    assert (told[bids.DEADLINE], told[bids.MISSED]) == ({PRODUCT}, {PRODUCT})
