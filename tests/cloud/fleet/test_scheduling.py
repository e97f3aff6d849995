import asyncio
import datetime as dt
import json
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg.errors import CheckViolation

from cloud import fleet
from cloud.db import Pool, connection
from cloud.fleet import Now, ScheduleRefused, StationFacts
from cloud.keys import KeyStore, open_keys
from cloud.vault.rows import order_place
from cloud.vault.vault import Vault
from contract import orders as signed
from contract.errors import OrderRefused

FACTS = StationFacts("haibin-1", "Haibin 1", "", "Asia/Shanghai", 3450, 7450)
DAY = dt.date(2026, 11, 24)
DURING_MS = round(dt.datetime(2026, 11, 24, 4, tzinfo=dt.UTC).timestamp() * 1000)  # noon there


@pytest.fixture
async def station(pool):
    return (await fleet.create(pool, FACTS, "admin")).station


@dataclass(frozen=True)
class Desk:
    """Where schedules are sent from."""

    pool: Pool
    vault: Vault
    keys: KeyStore

    async def send(self, station, facts, now_ms=DURING_MS):
        schedule = fleet.read(facts, station)
        planned = await fleet.plan(self.pool, self.vault, station, schedule, Now(now_ms, 0.5))
        return await fleet.send(
            self.pool, self.vault, self.keys, station, planned, now_ms=now_ms, sender="ann"
        )

    async def orders(self):
        return await fleet.list_orders(self.pool, self.vault, "haibin-1")

    async def body(self, order_id):
        """The signed order as it is stored, opened."""
        async with connection(self.pool) as conn:
            found = await conn.execute("SELECT sealed FROM orders WHERE id = %s", [order_id])
            (sealed,) = await found.fetchone()
        return (await self.vault.keys("haibin-1")).open(order_place(order_id), sealed)


@pytest.fixture
def desk(pool, tmp_path):
    keys = open_keys(tmp_path / "keys")
    return Desk(pool, Vault(pool, keys), keys)


def payload(power_kw=0.0, day=DAY, points=96):
    return {"date": day.isoformat(), "interval_min": 15, "power_kw": [power_kw] * points}


async def test_who_sent_a_schedule_is_in_the_audit_with_the_order(desk, station):
    order = await desk.send(station, payload(500.0))

    async with connection(desk.pool) as conn:
        found = await conn.execute(
            "SELECT actor, object, detail FROM audit WHERE action = 'send_schedule'"
        )
        assert await found.fetchall() == [
            ("ann", "haibin-1", {"order": order.id, "counter": order.counter})
        ]


async def test_an_order_that_the_audit_cannot_take_is_not_sent(desk, station):
    async with connection(desk.pool) as conn:
        await conn.execute("ALTER TABLE audit ADD CONSTRAINT no_row_more CHECK (false) NOT VALID")

    with pytest.raises(CheckViolation):
        await desk.send(station, payload(500.0))

    assert await desk.orders() == []


async def test_a_sent_schedule_is_an_order_that_the_station_can_verify(desk, station):
    order = await desk.send(station, payload(500.0))

    body = await desk.body(order.id)
    keys = desk.keys
    public = {keys.order_key_id: Ed25519PublicKey.from_public_bytes(keys.order_public)}
    verified = signed.verify(body, public, "haibin-1", 0, order.issued_ms)
    assert verified.payload["power_kw"] == [500.0] * 96
    assert verified.approvals == ("ann",)
    with pytest.raises(OrderRefused):
        signed.verify(body, public, "haibin-2", 0, order.issued_ms)


async def test_orders_sent_at_once_get_numbers_without_gap_or_double(desk, station):
    await asyncio.gather(*(desk.send(station, payload(float(n))) for n in range(6)))

    counters = [order.counter for order in await desk.orders()]

    assert counters == [6, 5, 4, 3, 2, 1]


async def test_the_newest_schedule_that_was_not_refused_is_in_force(desk, station):
    await desk.send(station, payload(100.0))
    refused = await desk.send(station, payload(200.0))
    async with connection(desk.pool) as conn:
        await conn.execute("UPDATE orders SET status = 'refused' WHERE id = %s", (refused.id,))

    found = await fleet.in_force(desk.pool, desk.vault, station, [DAY, DAY + dt.timedelta(days=1)])

    assert [schedule.power_kw[0] for schedule in found] == [100.0]


async def test_a_damaged_schedule_is_not_in_force_and_neither_is_the_one_before(desk, station):
    await desk.send(station, payload(100.0))
    newest = await desk.send(station, payload(200.0))
    async with connection(desk.pool) as conn:
        await conn.execute("UPDATE orders SET sealed = sealed || 'x' WHERE id = %s", (newest.id,))

    assert await fleet.in_force(desk.pool, desk.vault, station, [DAY]) == []
    assert [order.damaged for order in await desk.orders()] == [True, False]


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
async def test_a_wrong_schedule_is_refused_whole_and_sends_nothing(desk, station, facts, words):
    with pytest.raises(ScheduleRefused, match=words):
        await desk.send(station, facts)

    assert await desk.orders() == []


async def test_tomorrow_is_projected_through_what_is_ordered_for_today(desk, station):
    today = payload(0.0)
    today["power_kw"][80:84] = [2000.0] * 4
    await desk.send(station, today)

    tomorrow = fleet.read(payload(day=DAY + dt.timedelta(days=1)), station)
    planned = await fleet.plan(desk.pool, desk.vault, station, tomorrow, Now(DURING_MS, 0.5))

    assert planned.check.soc[0] == pytest.approx(0.5 - 2000 / 0.88**0.5 / 7450)


async def test_the_payload_that_is_shown_is_the_payload_that_is_signed(desk, station):
    await desk.send(station, payload(123.4))

    (seen,) = await desk.orders()
    assert json.loads(await desk.body(seen.id))["order"]["payload"] == seen.payload
