import time

import pytest

from cloud.db import connection
from contract.orders import OrderKind

PATH = "/api/v1/stations/haibin-1"
WHY = {"reason": "grid operator called"}


async def audited(cloud) -> list[tuple]:
    async with connection(cloud.worker.services.pool) as conn:
        rows = await conn.execute(
            "SELECT actor, action, object, detail->>'reason' FROM audit"
            " WHERE action LIKE 'send_%' ORDER BY at DESC"
        )
        return await rows.fetchall()


@pytest.mark.parametrize(
    ("asked", "ordered"),
    [
        (("release", {}), (OrderKind.RELEASE, {})),
        (("reset", {"target": "C1-R03"}), (OrderKind.RESET, {"target": "C1-R03"})),
        (("reset", {}), (OrderKind.RESET, {"target": "station"})),
        (("self-test", {}), (OrderKind.SELF_TEST, {})),
    ],
)
async def test_a_control_order_is_signed_and_its_reason_is_in_the_audit_book(
    cloud, feeder, operator, asked, ordered
):
    (what, body), (kind, payload) = asked, ordered

    sent = await operator.post(f"{PATH}/control/{what}", json=WHY | body)

    assert sent.status_code == 201
    assert (sent.json()["kind"], sent.json()["payload"]) == (kind.value, payload)
    listed = (await operator.get(f"{PATH}/orders")).json()["orders"]
    assert [(o["id"], o["payload"]) for o in listed] == [(sent.json()["id"], payload)]
    assert await audited(cloud) == [
        ("operator-user", f"send_{kind.value}", "haibin-1", WHY["reason"])
    ]


async def test_a_set_point_ends_by_itself(feeder, operator):
    begun_ms = time.time_ns() // 1_000_000

    sent = await operator.post(
        f"{PATH}/control/setpoint", json=WHY | {"power_kw": -250.0, "minutes": 30}
    )

    order = sent.json()
    assert order["payload"]["power_kw"] == -250.0
    assert order["payload"]["until_ms"] == order["expires_ms"]
    assert 0 <= order["expires_ms"] - begun_ms - 30 * 60_000 < 60_000


@pytest.mark.parametrize(
    ("what", "body", "words"),
    [
        ("setpoint", {"power_kw": 1e6, "minutes": 5}, "beyond the rated power"),
        ("setpoint", {"power_kw": 100, "minutes": 0}, "minutes"),
        ("setpoint", {"power_kw": 100, "minutes": 1441}, "minutes"),
        ("setpoint", {"power_kw": 100, "minutes": 5, "reason": ""}, "reason"),
        ("reset", {"target": ""}, "target"),
    ],
)
async def test_what_no_station_could_take_is_refused_and_nothing_is_sent(
    feeder, operator, what, body, words
):
    answer = await operator.post(f"{PATH}/control/{what}", json=WHY | body)

    assert answer.status_code == 422
    assert words in answer.text
    assert (await operator.get(f"{PATH}/orders")).json()["orders"] == []


@pytest.mark.parametrize("what", ["setpoint", "release", "reset", "self-test"])
async def test_whoever_may_only_look_sends_no_control_order(feeder, viewer, what):
    body = WHY | {"power_kw": 0.0, "minutes": 5} if what == "setpoint" else WHY

    assert (await viewer.post(f"{PATH}/control/{what}", json=body)).status_code == 403
