import json
from collections.abc import Iterator

import httpx

from tests.cloud.web.alarms.happen import event, happen
from tests.cloud.web.console import STATION, Console

FLOOD = 400


def news(lines: Iterator[str]) -> dict:
    """The data of the next event that tells of alarms."""
    for line in lines:
        if line == "event: alarms":
            return json.loads(next(lines).removeprefix("data: "))
    raise AssertionError("the stream has ended")


def test_a_flood_is_told_by_its_numbers_and_what_is_put_aside_not_at_all(
    console: Console, session: str
):
    path = f"/api/v1/stations/{STATION}/stream"
    with (
        httpx.Client(base_url=console.url, cookies={"sm_session": session}, timeout=20) as client,
        client.stream("GET", path) as stream,
    ):
        lines = stream.iter_lines()
        assert news(lines)["alarms"] == []

        happen(
            console,
            event("protection.latched", "C1-R07"),
            event("protection.trip", "C1-R07"),
            *(event("rack.alarm", "C2-R01", tag=f"bit {n}") for n in range(FLOOD)),
        )
        told = news(lines)
        while sum(told["open"].values()) < FLOOD + 1:
            told = news(lines)

    assert told["open"] == told["unanswered"] == {"1": 0, "2": 1, "3": FLOOD, "4": 0}
    assert len(told["alarms"]) == 20
    assert told["alarms"][0]["code"] == "protection.trip"
    assert "protection.latched" not in {alarm["code"] for alarm in told["alarms"]}
