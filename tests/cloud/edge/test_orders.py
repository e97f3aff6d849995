"""Orders on their way to a station, and its receipts on their way back."""

import asyncio
import json
import time

import pytest

from cloud.db import connection
from cloud.fleet import orders
from contract.orders import OrderKind, Outcome, Receipt, peek_order, sign_receipt, verify
from tests.waiting import wait_for


async def issue(site, station: str = "alpha", expires_in_ms: int = 60_000):
    services, now_ms = site.worker.services, time.time_ns() // 1_000_000
    return await orders.issue(
        services.pool,
        services.vault,
        services.keys,
        station=station,
        kind=OrderKind.SETPOINT,
        payload={"power_kw": 5},
        now_ms=now_ms,
        expires_ms=now_ms + expires_in_ms,
        created_by="tester",
    )


def is_watched(site) -> bool:
    """Whether a request of the station waits for news of orders."""
    return bool(site.worker.edge.news._bells.get(("orders", "alpha")))


async def fetch(http, after: int, wait: float = 0):
    answer = await http.get("/edge/v1/orders", params={"after": after, "wait": wait})
    return answer.json()["orders"] if answer.status_code == 200 else []


def receipt_of(
    fake, body: dict, outcome=Outcome.ACCEPTED, at_ms: int = 1, **other: object
) -> bytes:
    import json

    order = peek_order(json.dumps(body))
    fields = {
        "order_id": order.id,
        "order_sha256": order.sha256,
        "station": fake.id,
        "counter": order.counter,
        "outcome": outcome,
        "reason_code": "ok",
        "reason": "accepted",
        "at_ms": at_ms,
    }
    return sign_receipt(Receipt(**(fields | other)), fake.signing)


async def test_a_station_gets_its_own_orders_above_its_counter_and_can_verify_them(site):
    _, http = await site.enrol("alpha")
    await site.enrol("beta")
    first, second = await issue(site), await issue(site)
    await issue(site, "beta")
    await issue(site, expires_in_ms=-1)

    found = await fetch(http, 0)
    later = await fetch(http, first.counter)

    assert [one["order"]["id"] for one in found] == [first.id, second.id]
    assert [one["order"]["id"] for one in later] == [second.id]
    keys = site.worker.services.keys
    public = {keys.order_key_id: keys.order_signing.public_key()}
    now_ms = time.time_ns() // 1_000_000
    assert verify(json.dumps(found[0]), public, "alpha", 0, now_ms).id == first.id


async def test_an_altered_order_holds_up_no_later_one_and_is_told_once(site, caplog):
    fake, http = await site.enrol()
    altered = await issue(site)
    (body,) = await fetch(http, 0)
    sound = await issue(site)
    services = site.worker.services
    async with connection(services.pool) as conn:
        await conn.execute(
            "UPDATE orders SET sealed = sealed || 'x' WHERE id::text = %s", [altered.id]
        )

    found = [await fetch(http, 0) for _ in range(2)]
    answer = await http.post("/edge/v1/receipts", content=receipt_of(fake, body))

    assert [[one["order"]["id"] for one in each] for each in found] == [[sound.id]] * 2
    assert answer.json()["code"] == "damaged_order"
    assert caplog.text.count(f"row damaged table=orders key={altered.id}") == 1
    listed = await orders.list_orders(services.pool, services.vault, "alpha")
    assert [(one.id, one.counter, one.damaged) for one in listed] == [
        (sound.id, 2, False),
        (altered.id, 1, True),
    ]
    assert [dict(one.payload) for one in listed] == [{"power_kw": 5}, {}]


async def test_an_altered_receipt_is_listed_by_what_is_in_clear(site):
    fake, http = await site.enrol()
    await issue(site)
    (body,) = await fetch(http, 0)
    await http.post("/edge/v1/receipts", content=receipt_of(fake, body))
    services = site.worker.services
    async with connection(services.pool) as conn:
        await conn.execute("UPDATE receipts SET sealed = sealed || 'x'")

    (seen,) = await orders.list_orders(services.pool, services.vault, "alpha")

    assert (seen.receipt.outcome, seen.receipt.reason_code, seen.receipt.reason) == (
        "accepted",
        "ok",
        "",
    )


async def test_a_waiting_station_hears_of_an_order_at_once(site):
    _, http = await site.enrol()
    waiting = asyncio.create_task(fetch(http, 0, wait=30))
    await wait_for(lambda: is_watched(site), "the station's request to wait")

    order = await issue(site)

    found = await asyncio.wait_for(waiting, 20)
    assert [one["order"]["id"] for one in found] == [order.id]


async def test_a_wait_in_vain_ends_with_204_and_so_does_a_leaving_worker(site):
    _, http = await site.enrol()

    answer = await http.get("/edge/v1/orders", params={"after": 0, "wait": 0.05})
    waiting = asyncio.create_task(http.get("/edge/v1/orders", params={"after": 0, "wait": 30}))
    await wait_for(lambda: is_watched(site), "the station's request to wait")
    site.worker.edge.news.close()

    assert answer.status_code == 204
    assert (await asyncio.wait_for(waiting, 20)).status_code == 204


async def test_receipts_are_kept_once_and_the_newest_outcome_is_the_status(site):
    fake, http = await site.enrol()
    await issue(site)
    (body,) = await fetch(http, 0)
    executed = receipt_of(fake, body, Outcome.EXECUTED, at_ms=9)

    for blob in (executed, executed, receipt_of(fake, body, Outcome.ACCEPTED, at_ms=5)):
        assert (await http.post("/edge/v1/receipts", content=blob)).status_code == 204

    assert await site.all("SELECT outcome, at_ms FROM receipts ORDER BY at_ms") == [
        ("accepted", 5),
        ("executed", 9),
    ]
    assert await site.all("SELECT status FROM orders") == [("executed",)]


@pytest.mark.parametrize("fault", ["signature", "station", "order", "content", "bytes"])
async def test_a_wrong_receipt_is_refused_noted_and_without_effect(site, fault):
    fake, http = await site.enrol()
    await issue(site)
    (body,) = await fetch(http, 0)
    blob = {
        "signature": lambda: receipt_of(site.fake("alpha"), body),
        "station": lambda: receipt_of(fake, body, station="beta"),
        "order": lambda: receipt_of(fake, body, order_id="00000000-0000-4000-8000-000000000000"),
        "content": lambda: receipt_of(fake, body, order_sha256="0" * 64),
        "bytes": lambda: b"rubbish",
    }[fault]()

    answer = await http.post("/edge/v1/receipts", content=blob)

    assert answer.status_code == 400
    assert await site.count("receipts") == 0
    assert await site.all("SELECT status FROM orders") == [("issued",)]
    assert await site.refusals() == ["receipt_refused"]
