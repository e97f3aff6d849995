from cloud.access import Role
from tests.cloud.web.feeder import now_ms

PATH = "/api/v1/stations/haibin-1/events"


def span(**change: object):
    return {"from": now_ms() - 60_000, "to": now_ms() + 60_000} | change


async def test_what_appeared_and_cleared_is_told_in_both_languages(feeder, viewer):
    await feeder.raise_event("C1-R07", "cell.temperature", active=True, detail=": cell 145")
    await feeder.raise_event("C1-R07", "cell.temperature", active=False)

    answer = (await viewer.get(PATH, params=span())).json()

    assert [(e["active"], e["priority"], e["device"]) for e in answer["events"]] == [
        (False, 2, "C1-R07"),
        (True, 2, "C1-R07"),
    ]
    assert answer["events"][1]["text_en"].endswith("cell 145")
    assert answer["events"][1]["text_zh"].startswith("单体温度越限")
    assert (answer["next"], answer["damaged"]) == (None, [])


async def test_pages_follow_one_another_by_their_cursor(feeder, viewer):
    for number in range(5):
        await feeder.raise_event("C1-PCS", "pcs.alarm", active=number % 2 == 0)
    asked, seen = span(limit=2), []

    while True:
        page = (await viewer.get(PATH, params=asked)).json()
        seen += [event["id"] for event in page["events"]]
        if page["next"] is None:
            break
        asked["before"] = page["next"]

    whole = (await viewer.get(PATH, params=span())).json()
    assert seen == [event["id"] for event in whole["events"]]
    assert len(seen) == len(set(seen)) == 5


async def test_a_range_without_events_is_empty_and_a_wrong_one_is_refused(feeder, viewer):
    empty = await viewer.get(PATH, params={"from": 0, "to": 1000})

    assert empty.json() == {"events": [], "next": None, "damaged": []}
    for change in ({"from": 10, "to": 10}, {"before": "soon"}, {"limit": 0}, {"limit": 10_000}):
        answer = await viewer.get(PATH, params=span(**change))
        assert answer.status_code == 422, change
        assert answer.json()["remedy"]
    assert (await viewer.get("/api/v1/stations/nobody/events", params=span())).status_code == 404


async def test_nobody_reads_events_without_a_session(cloud, feeder):
    async with cloud.client() as client:
        assert (await client.get(PATH, params=span())).status_code == 401
    async with cloud.signed_in(Role.VIEWER) as client:
        assert (await client.get(PATH, params=span())).status_code == 200
