"""The alarms' interface: lists, one alarm whole, acts by role, figures."""

import pytest

from cloud import alarms
from cloud.access import Role
from cloud.db import connection
from tests.cloud.web.feeder import now_ms

PATH = "/api/v1/alarms"


@pytest.fixture
async def work(cloud):
    """Let the engine work what has arrived."""
    services = cloud.worker.services
    engine = alarms.Engine(services.pool, services.vault, alarms.load())

    async def run(ahead_ms: int = 20_000) -> None:
        await engine.run(now_ms() + ahead_ms)

    return run


@pytest.fixture
async def engineer(cloud):
    async with cloud.signed_in(Role.ENGINEER) as client:
        yield client


async def listed(client, **asked: object):
    answer = await client.get(PATH, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["alarms"]


async def test_an_open_alarm_is_listed_with_its_words_in_both_languages(feeder, viewer, work):
    await feeder.raise_event("C1-R07", "cell.temperature", active=True, detail=": cell 145")
    await work()

    (alarm,) = await listed(viewer)

    assert (alarm["state"], alarm["priority"], alarm["class"]) == ("unacknowledged", 2, "safety")
    assert alarm["text_en"].endswith("cell 145")
    assert alarm["text_zh"].startswith("单体温度越限")
    assert alarm["respond_by_ms"] == alarm["announced_ms"] + 10 * 60_000
    assert alarm["scope"] == "C1"


async def test_lists_are_filtered_by_state_priority_station_and_text(feeder, viewer, work):
    await feeder.raise_event("C1-R07", "cell.temperature", active=True)
    await feeder.raise_event("C1-R08", "rack.warning", active=True)
    await work()

    async def codes(**asked: object):
        return [alarm["code"] for alarm in await listed(viewer, **asked)]

    assert await codes() == ["cell.temperature", "rack.warning"]
    assert await codes(priority=4) == ["rack.warning"]
    assert await codes(text="c1-r08") == ["rack.warning"]
    assert await codes(text="热失控") == ["cell.temperature"]
    assert await codes(text="%") == []
    assert await codes(station="elsewhere") == []
    assert await codes(state="shelved") == []
    assert await codes(limit=1, offset=1) == ["rack.warning"]
    assert (await viewer.get(PATH, params={"state": "asleep"})).status_code == 422


async def test_an_acknowledgement_is_kept_with_its_person_and_audited(
    cloud, feeder, operator, work
):
    await feeder.raise_event("C1-R07", "rack.alarm", active=True)
    await feeder.raise_event("C1-R08", "rack.alarm", active=True)
    await work()
    ids = [alarm["id"] for alarm in await listed(operator)]

    answer = await operator.post(f"{PATH}/acknowledge", json={"alarms": ids})

    assert answer.json() == {"done": sorted(ids), "refused": {}}
    assert {alarm["acknowledged_by"] for alarm in await listed(operator)} == {"operator-user"}
    again = await operator.post(f"{PATH}/acknowledge", json={"alarms": ids})
    assert (again.status_code, again.json()["code"]) == (422, "nothing_to_acknowledge")
    assert "nothing to acknowledge" in again.json()["message"]
    async with connection(cloud.worker.services.pool) as conn:
        found = await conn.execute(
            "SELECT actor, object, detail->'alarms' FROM audit WHERE action = 'acknowledge_alarm'"
        )
        assert await found.fetchall() == [("operator-user", "haibin-1", sorted(ids))]


async def test_what_has_come_again_since_somebody_looked_is_not_answered(feeder, operator, work):
    await feeder.raise_event("C1-R07", "rack.alarm", active=True)
    await work()
    (alarm,) = await listed(operator)
    seen = {alarm["id"]: alarm["onset_ms"] - 1}

    answer = await operator.post(
        f"{PATH}/acknowledge", json={"alarms": [alarm["id"]], "seen_onset_ms": seen}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "come_again")
    assert "come again" in answer.json()["message"]


async def test_a_refusal_has_a_code_for_programs_beside_its_words(feeder, operator, work):
    for device in ("C1-R07", "C1-R08", "C1-R09"):
        await feeder.raise_event(device, "rack.alarm", active=True)
    await work()
    first, second, third = sorted(alarm["id"] for alarm in await listed(operator))
    why = {"reason": "sensor is being replaced", "hours": 1}

    async def acknowledge(*ids: int):
        return (await operator.post(f"{PATH}/acknowledge", json={"alarms": ids})).json()

    await operator.post(f"{PATH}/{first}/shelve", json=why)
    assert (await acknowledge(first))["code"] == "silent"
    some = await acknowledge(first, second)
    none = await acknowledge(first, second)

    assert some["done"] == [second]
    assert some["refused"][str(first)]["code"] == "silent"
    assert "it needs no answer" in some["refused"][str(first)]["message"]
    assert none["code"] == "several_reasons"
    assert {alarm: why["code"] for alarm, why in none["refused"].items()} == {
        str(first): "silent",
        str(second): "nothing_to_acknowledge",
    }
    blank = await operator.post(f"{PATH}/{third}/shelve", json=why | {"reason": " "})
    assert blank.json()["code"] == "no_reason"
    assert "refused" not in blank.json()


async def test_acts_are_for_those_whose_role_permits_them(viewer, operator, engineer, feeder, work):
    await feeder.raise_event("C1-R07", "rack.alarm", active=True)
    await work()
    (alarm,) = await listed(viewer)
    one, why = f"{PATH}/{alarm['id']}", {"reason": "sensor is being replaced"}

    async def status(client, act, body):
        return (await client.post(act, json=body)).status_code

    assert await status(viewer, f"{PATH}/acknowledge", {"alarms": [alarm["id"]]}) == 403
    assert await status(viewer, f"{one}/shelve", why | {"hours": 1}) == 403
    assert await status(operator, f"{one}/out-of-service", why) == 403
    assert await status(operator, f"{one}/shelve", why | {"hours": 9}) == 422
    assert await status(operator, f"{one}/shelve", {"reason": "", "hours": 1}) == 422
    assert await status(operator, f"{one}/shelve", why | {"hours": 1}) == 200
    (shelved,) = await listed(viewer, state="shelved")
    assert shelved["silenced"]["reason"] == why["reason"]
    assert await status(operator, f"{one}/unshelve", {}) == 200
    assert await status(engineer, f"{one}/out-of-service", why) == 200
    assert [a["state"] for a in await listed(viewer, state="out_of_service")] == ["out_of_service"]
    assert await listed(viewer) == []
    assert await status(engineer, f"{one}/in-service", why) == 200
    assert [a["state"] for a in await listed(viewer)] == ["unacknowledged"]


async def test_a_safety_alarm_is_not_shelved_and_the_refusal_says_why(feeder, operator, work):
    await feeder.raise_event("C1-FIRE", "fire.alarm", active=True)
    await work()
    (alarm,) = await listed(operator)

    answer = await operator.post(
        f"{PATH}/{alarm['id']}/shelve", json={"reason": "noise", "hours": 1}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "safety")
    assert "class safety is never shelved" in answer.json()["message"]


async def test_a_latched_alarm_waits_for_its_reset(feeder, operator, work):
    await feeder.raise_event("C1-FIRE", "fire.alarm", active=True)
    await feeder.raise_event("C1-FIRE", "fire.alarm", active=False)
    await work()
    (alarm,) = await listed(operator)
    body = {"alarms": [alarm["id"]]}
    assert alarm["state"] == "returned"

    early = await operator.post(f"{PATH}/reset", json=body)
    assert (early.status_code, "acknowledge it first" in early.text) == (422, True)
    await operator.post(f"{PATH}/acknowledge", json=body)
    assert [a["state"] for a in await listed(operator)] == ["latched"]
    await operator.post(f"{PATH}/reset", json=body)

    assert await listed(operator) == []


async def test_one_alarm_is_told_whole_with_the_story_of_its_incident(feeder, viewer, work):
    at = now_ms() - 30_000
    await feeder.raise_event("C1-R07", "cell.temperature", active=True, at_ms=at)
    await feeder.raise_event("C1-R07", "protection.first_out", active=True, at_ms=at + 100)
    await feeder.raise_event("C1-R07", "protection.trip", active=True, at_ms=at + 150)
    await feeder.raise_event("C1-R07", "rack.isolated", active=True, at_ms=at + 300)
    await feeder.raise_event("STATION", "protection.confirmed", active=True, at_ms=at + 400)
    await feeder.raise_event("C2-R01", "rack.warning", active=True, at_ms=at + 400)
    await work()
    isolated = next(a for a in await listed(viewer) if a["code"] == "rack.isolated")

    told = (await viewer.get(f"{PATH}/{isolated['id']}")).json()

    assert [(e["code"], e["at_ms"] - at) for e in told["incident"]["events"]] == [
        ("cell.temperature", 0),
        ("protection.first_out", 100),
        ("protection.trip", 150),
        ("rack.isolated", 300),
        ("protection.confirmed", 400),
    ]
    assert [(p["code"], p["first_out"]) for p in told["incident"]["parts"]] == [
        ("cell.temperature", True),
        ("protection.trip", False),
        ("rack.isolated", False),
    ]
    first = told["incident"]["parts"][0]
    assert isolated["consequence_of"] == first["alarm"]
    assert told["definition"]["action"][0]["zh"]
    assert [line["change"] for line in told["journal"]] == ["raised"]


async def test_counts_metrics_nuisances_definitions_and_channels_are_told(feeder, viewer, work):
    await feeder.raise_event("C1-R07", "rack.alarm", active=True)
    await work()
    span = {"from": now_ms() - 3_600_000, "to": now_ms() + 60_000}

    counts = (await viewer.get(f"{PATH}/counts")).json()
    figures = (await viewer.get(f"{PATH}/metrics", params=span)).json()

    assert counts["open"] == {"1": 0, "2": 0, "3": 1, "4": 0}
    assert counts["worst"] == [{"station": "haibin-1", "scope": "C1", "priority": 3}]
    assert (figures["alarms"], figures["top"][0]["code"]) == (1, "rack.alarm")
    assert figures["split"]["3"] == 1
    for kind in ("chattering", "fleeting"):
        assert (await viewer.get(f"{PATH}/nuisances/{kind}", params=span)).json() == []
    assert (await viewer.get(f"{PATH}/standing")).json() == {"alarms": [], "total": 0}
    assert (await viewer.get(f"{PATH}/channels")).json() == []
    definitions = (await viewer.get(f"{PATH}/definitions")).json()
    assert {d["code"] for d in definitions} >= {"fire.alarm", "cloud.link_lost"}


async def test_what_is_not_there_or_asked_wrongly_is_told(feeder, viewer, operator, cloud):
    assert (await viewer.get(f"{PATH}/999999")).status_code == 404
    gone = await operator.post(f"{PATH}/acknowledge", json={"alarms": [999_999]})
    assert (gone.status_code, gone.json()["message"]) == (404, "there is no alarm 999999")
    assert gone.json()["code"] == "no_such_alarm"
    backwards = await viewer.get(f"{PATH}/metrics", params={"from": 10, "to": 10})
    assert backwards.status_code == 422
    async with cloud.client() as nobody:
        assert (await nobody.get(PATH)).status_code == 401
