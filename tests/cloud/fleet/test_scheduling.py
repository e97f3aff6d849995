import asyncio
import datetime as dt
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud import fleet
from cloud.db import connection
from cloud.fleet import Now, ScheduleRefused, StationFacts
from cloud.keys import open_keys
from contract import orders as signed
from contract.errors import OrderRefused

FACTS = StationFacts("haibin-1", "Haibin 1", "", "Asia/Shanghai", 3450, 7450)
DAY = dt.date(2026, 11, 24)
DURING_MS = round(dt.datetime(2026, 11, 24, 4, tzinfo=dt.UTC).timestamp() * 1000)  # noon there


@pytest.fixture
async def station(pool):
    return (await fleet.create(pool, FACTS, "admin")).station


@pytest.fixture
def keys(tmp_path):
    return open_keys(tmp_path / "keys")


def payload(power_kw=0.0, day=DAY, points=96):
    return {"date": day.isoformat(), "interval_min": 15, "power_kw": [power_kw] * points}


async def send(pool, keys, station, facts, now_ms=DURING_MS):
    schedule = fleet.read(facts, station)
    planned = await fleet.plan(pool, station, schedule, Now(now_ms, 0.5))
    return await fleet.send(pool, keys, station, planned, now_ms=now_ms, sender="ann")


async def test_a_sent_schedule_is_an_order_that_the_station_can_verify(pool, keys, station):
    order = await send(pool, keys, station, payload(500.0))

    async with connection(pool) as conn:
        row = await (await conn.execute("SELECT body FROM orders")).fetchone()
    public = {keys.order_key_id: Ed25519PublicKey.from_public_bytes(keys.order_public)}
    verified = signed.verify(row[0], public, "haibin-1", 0, order.issued_ms)
    assert verified.payload["power_kw"] == [500.0] * 96
    assert verified.approvals == ("ann",)
    with pytest.raises(OrderRefused):
        signed.verify(row[0], public, "haibin-2", 0, order.issued_ms)


async def test_orders_sent_at_once_get_numbers_without_gap_or_double(pool, keys, station):
    await asyncio.gather(*(send(pool, keys, station, payload(float(n))) for n in range(6)))

    counters = [order.counter for order in await fleet.list_orders(pool, "haibin-1")]

    assert counters == [6, 5, 4, 3, 2, 1]


async def test_the_newest_schedule_that_was_not_refused_is_in_force(pool, keys, station):
    await send(pool, keys, station, payload(100.0))
    refused = await send(pool, keys, station, payload(200.0))
    async with connection(pool) as conn:
        await conn.execute("UPDATE orders SET status = 'refused' WHERE id = %s", (refused.id,))

    found = await fleet.in_force(pool, station, [DAY, DAY + dt.timedelta(days=1)])

    assert [schedule.power_kw[0] for schedule in found] == [100.0]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (payload(3451.0), "rating of 3450"),
        (payload(points=95), "95 points"),
        (payload() | {"timezone": "UTC"}, "Asia/Shanghai"),
        (payload() | {"date": "2026-02-30"}, "2026-02-30"),
        (payload(day=DAY - dt.timedelta(days=1)), "is over"),
        (payload(day=DAY + dt.timedelta(days=30)), "too far ahead"),
        ({"date": "2026-11-24"}, "missing"),
    ],
)
async def test_a_wrong_schedule_is_refused_whole_and_sends_nothing(
    pool, keys, station, facts, words
):
    with pytest.raises(ScheduleRefused, match=words):
        await send(pool, keys, station, facts)

    assert await fleet.list_orders(pool, "haibin-1") == []


async def test_tomorrow_is_projected_through_what_is_ordered_for_today(pool, keys, station):
    today = payload(0.0)
    today["power_kw"][80:84] = [2000.0] * 4
    await send(pool, keys, station, today)

    tomorrow = fleet.read(payload(day=DAY + dt.timedelta(days=1)), station)
    planned = await fleet.plan(pool, station, tomorrow, Now(DURING_MS, 0.5))

    assert planned.check.soc[0] == pytest.approx(0.5 - 2000 / 0.88**0.5 / 7450)


async def test_the_payload_that_is_stored_is_the_payload_that_is_signed(pool, keys, station):
    await send(pool, keys, station, payload(123.4))

    async with connection(pool) as conn:
        row = await (await conn.execute("SELECT body, payload FROM orders")).fetchone()

    assert json.loads(row[0])["order"]["payload"] == row[1]
