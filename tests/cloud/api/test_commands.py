from dataclasses import replace

import pytest

from cloud.access import Role
from contract.commands import CommandRecord, CommandState
from tests.cloud.web.feeder import now_ms

PATH = "/api/v1/stations/haibin-1/commands"
NOW = now_ms()
NUL = {"device": "C1\0"}
RECORD = CommandRecord(
    *("c", "haibin-1", "C1-PCS", "active_power_setpoint_kw", 1234.5),
    *("agc", "order-7", "SOC band", CommandState.DELIVERED, "", NOW, NOW + 12, NOW + 2_012),
)
FAILED = replace(
    RECORD,
    id="bad",
    device="C2-PCS",
    state=CommandState.FAILED,
    issued_ms=NOW + 1,
    reason="not delivered",
    cause_en="the converter derates itself",
    cause_zh="变流器自行降额",
)


def span(**change: object):
    return {"from": NOW - 60_000, "to": NOW + 60_000} | change


async def ids(viewer, **change: object) -> list[str]:
    answer = await viewer.get(PATH, params=span(**change))
    assert answer.status_code == 200, answer.text
    return [command["id"] for command in answer.json()["commands"]]


async def test_a_command_is_told_with_its_whole_life_newest_first(feeder, viewer):
    await feeder.command(RECORD, FAILED)

    answer = (await viewer.get(PATH, params=span())).json()

    assert answer["next"] is None
    assert answer["commands"][0] == {
        "id": "bad",
        "device": "C2-PCS",
        "point": "active_power_setpoint_kw",
        "value": 1234.5,
        "source": "agc",
        "requester": "order-7",
        "bound_by": "SOC band",
        "state": "failed",
        "issued_ms": NOW + 1,
        "accepted_ms": NOW + 12,
        "settled_ms": NOW + 2_012,
        "reason": "not delivered",
        "cause_en": "the converter derates itself",
        "cause_zh": "变流器自行降额",
        "damaged": False,
    }
    assert answer["commands"][1]["id"] == "c"


async def test_commands_are_found_by_device_state_source_and_time(feeder, viewer):
    trip = replace(RECORD, id="trip", source="protection", issued_ms=NOW + 2)
    await feeder.command(RECORD, FAILED, trip)

    assert await ids(viewer) == ["trip", "bad", "c"]
    assert await ids(viewer, device="C2-PCS") == ["bad"]
    assert await ids(viewer, state="failed") == ["bad"]
    assert await ids(viewer, source="protection", state="delivered") == ["trip"]
    assert await ids(viewer, to=NOW + 1) == ["c"]


async def test_pages_follow_one_another_by_their_cursor(feeder, viewer):
    made = [replace(RECORD, id=f"c{n}", issued_ms=NOW + n // 3) for n in range(11)]
    await feeder.command(*made)
    asked, seen = span(limit=4), []

    while True:
        page = (await viewer.get(PATH, params=asked)).json()
        seen += [command["id"] for command in page["commands"]]
        if page["next"] is None:
            break
        asked["before"] = page["next"]

    order = sorted(made, key=lambda r: (r.issued_ms, r.id), reverse=True)
    assert seen == [record.id for record in order]


async def test_statistics_count_by_state_and_source_and_say_how_fast(feeder, viewer):
    made = [
        replace(
            RECORD, id=f"c{n}", issued_ms=NOW + n, accepted_ms=NOW + n + n, settled_ms=NOW + 900
        )
        for n in range(1, 100)
    ]
    superseded = replace(RECORD, id="s", state=CommandState.SUPERSEDED, source="schedule")
    await feeder.command(*made, FAILED, superseded)

    answer = (await viewer.get(f"{PATH}/statistics", params=span())).json()
    none = (await viewer.get(f"{PATH}/statistics", params={"from": 0, "to": 1})).json()

    assert (answer["total"], answer["complete"], answer["since_ms"]) == (101, True, NOW)
    assert answer["states"] == {"delivered": 99, "failed": 1, "superseded": 1}
    assert answer["sources"] == {"agc": 100, "schedule": 1}
    assert answer["acceptance"] == {"p50_ms": 49, "p99_ms": 98}
    assert answer["delivery"]["p50_ms"] == 800
    assert answer["not_delivered"] == pytest.approx(0.01)
    assert none == {
        "total": 0,
        "complete": True,
        "since_ms": None,
        "states": {},
        "sources": {},
        "acceptance": None,
        "delivery": None,
        "not_delivered": None,
    }


async def test_more_commands_than_one_answer_counts_are_said_to_be_more(feeder, cloud):
    from cloud.commands import Asked, statistics

    await feeder.command(*(replace(RECORD, id=f"c{n}", issued_ms=NOW + n) for n in range(20)))

    found = await statistics(cloud.worker.services.pool, Asked("haibin-1", 0, NOW * 2), most=10)

    assert (found.total, found.complete, found.since_ms) == (10, False, NOW + 10)


async def test_a_damaged_command_is_shown_as_damaged_and_takes_no_page_down(feeder, viewer, cloud):
    await feeder.command(RECORD, FAILED)
    async with cloud.worker.services.pool.connection() as conn:
        await conn.execute(
            "UPDATE commands SET sealed = (SELECT sealed FROM commands WHERE id = 'c')"
            " WHERE id = 'bad'"
        )

    answer = (await viewer.get(PATH, params=span())).json()

    assert [(c["id"], c["damaged"], c["value"]) for c in answer["commands"]] == [
        ("bad", True, None),
        ("c", False, 1234.5),
    ]


async def test_a_wrong_question_is_refused_with_a_remedy(feeder, viewer):
    for change in (
        {"from": 10, "to": 10},
        {"before": "soon"},
        {"limit": 0},
        {"state": "lost"},
        NUL,
    ):
        answer = await viewer.get(PATH, params=span(**change))
        assert answer.status_code == 422, change
        assert answer.json()["remedy"]
    assert (await viewer.get("/api/v1/stations/nobody/commands", params=span())).status_code == 404


async def test_nobody_reads_commands_without_a_session(cloud, feeder):
    for path in (PATH, f"{PATH}/statistics"):
        async with cloud.client() as client:
            assert (await client.get(path, params=span())).status_code == 401
        async with cloud.signed_in(Role.VIEWER) as client:
            assert (await client.get(path, params=span())).status_code == 200
