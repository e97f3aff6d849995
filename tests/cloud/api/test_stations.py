import pytest

from cloud import alarms
from cloud.access import Role
from cloud.db import connection
from tests.cloud.web.feeder import now_ms

FACTS = {
    "id": "demo",
    "name": "Demo",
    "name_zh": "示范电站",
    "timezone": "Asia/Shanghai",
    "rated_power_kw": 3450,
    "capacity_kwh": 7454.7,
    "soc_min": 0.05,
    "soc_max": 0.95,
}


async def test_an_admin_makes_a_station_and_gets_its_token_once(cloud, admin):
    made = await admin.post("/api/v1/stations", json=FACTS)

    assert made.status_code == 201
    assert len(made.json()["enrolment_token"]) >= 40
    shown = (await admin.get("/api/v1/stations/demo")).json()
    assert (shown["name_zh"], shown["enrolled"], shown["link"]) == ("示范电站", False, "never")
    assert made.json()["enrolment_token"] not in str(shown)
    async with connection(cloud.worker.services.pool) as conn:
        row = await (
            await conn.execute("SELECT actor, object FROM audit WHERE action = 'create_station'")
        ).fetchone()
    assert row == ("admin-user", "demo")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_others_may_not_make_stations(cloud, role):
    async with cloud.signed_in(role) as client:
        answer = await client.post("/api/v1/stations", json=FACTS)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert f"role of {role}" in answer.json()["message"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "../etc"}, "id"),
        ({"id": ""}, "id"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"rated_power_kw": 0}, "rated_power_kw"),
        ({"capacity_kwh": "much"}, "capacity_kwh"),
        ({"soc_min": 2}, "soc_min"),
    ],
)
async def test_a_wrong_station_is_refused_and_the_field_named(admin, change, named):
    answer = await admin.post("/api/v1/stations", json=FACTS | change)

    assert answer.status_code == 422
    assert named in answer.json()["message"]


async def test_an_id_cannot_be_taken_twice(admin):
    await admin.post("/api/v1/stations", json=FACTS)

    answer = await admin.post("/api/v1/stations", json=FACTS)

    assert (answer.status_code, answer.json()["code"]) == (409, "station_exists")


async def test_the_live_image_has_every_point_with_its_time(feeder, viewer):
    await feeder.second(now_ms() // 1000 * 1000)  # not one from before a slow sign-in
    live = (await viewer.get("/api/v1/stations/haibin-1/live")).json()

    assert live["link"] == "up"
    assert live["points"]["METER:voltage_ab_v"] == 35_400
    assert 3.0 < live["points"]["C2-R10:cell_voltage_max_v"] < 3.6
    assert live["times_ms"]["C1-PCS"] == live["at_ms"]
    assert live["now_ms"] >= live["received_ms"]
    assert not any("cell_voltage_v" in name for name in live["points"])


async def test_a_station_without_image_says_never(admin):
    await admin.post("/api/v1/stations", json=FACTS)

    live = (await admin.get("/api/v1/stations/demo/live")).json()

    assert (live["link"], live["at_ms"], live["points"]) == ("never", None, {})


async def work(cloud) -> None:
    """Let the engine work what has arrived."""
    services = cloud.worker.services
    await alarms.Engine(services.pool, services.vault, alarms.load()).run(now_ms() + 20_000)


async def test_open_alarms_are_told_in_both_languages(cloud, feeder, viewer):
    await feeder.raise_event("C1-R07", "cell.temperature", active=True)
    await work(cloud)

    (alarm,) = (await viewer.get("/api/v1/stations/haibin-1/alarms")).json()["alarms"]

    assert (alarm["device"], alarm["priority"], alarm["text_zh"]) == ("C1-R07", 2, "单体温度越限")
    assert (alarm["state"], alarm["active"]) == ("unacknowledged", True)
    assert 0 <= now_ms() - alarm["since_ms"] < 60_000


async def test_open_alarms_are_bounded_and_unanswered_ones_come_first(cloud, feeder, operator):
    path = "/api/v1/stations/haibin-1/alarms"
    at_ms = now_ms() - 30_000
    for rack in ("C1-R01", "C1-R02", "C1-R03"):
        await feeder.raise_event(rack, "rack.warning", active=True, at_ms=at_ms)
    await feeder.raise_event("C2-R04", "cell.temperature", active=True, at_ms=at_ms)
    await work(cloud)
    urgent = (await operator.get(path)).json()["alarms"][0]
    await operator.post("/api/v1/alarms/acknowledge", json={"alarms": [urgent["id"]]})

    told = (await operator.get(path, params={"limit": 3})).json()

    assert [a["code"] for a in told["alarms"]] == ["rack.warning"] * 3
    assert told["open"] == {"1": 0, "2": 1, "3": 0, "4": 3}
    assert told["unanswered"] == {"1": 0, "2": 0, "3": 0, "4": 3}
    assert (await operator.get(path)).json()["alarms"][3]["id"] == urgent["id"]
    for limit in (0, 501):
        assert (await operator.get(path, params={"limit": limit})).status_code == 422


async def test_what_is_shelved_or_suppressed_is_not_among_the_open_alarms(cloud, feeder, operator):
    path = "/api/v1/stations/haibin-1/alarms"
    await feeder.raise_event("C1-PCS", "pcs.alarm", active=True)
    await feeder.raise_event("C1-R07", "protection.trip", active=True)
    await feeder.raise_event("C1-R07", "protection.latched", active=True)
    await work(cloud)
    found = {a["code"]: a["id"] for a in (await operator.get(path)).json()["alarms"]}
    assert set(found) == {"pcs.alarm", "protection.trip"}

    shelved = {"reason": "known", "hours": 1}
    await operator.post(f"/api/v1/alarms/{found['pcs.alarm']}/shelve", json=shelved)

    told = (await operator.get(path)).json()
    assert [a["code"] for a in told["alarms"]] == ["protection.trip"]
    assert sum(told["open"].values()) == 1


async def test_what_does_not_exist_is_named(viewer):
    for path in ("", "/live", "/orders", "/schedules", "/alarms", "/stream"):
        answer = await viewer.get(f"/api/v1/stations/nowhere{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        assert "nowhere" in answer.json()["message"]
