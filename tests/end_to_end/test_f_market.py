"""A bid's whole life: drafted, looked at, approved, cleared, followed by the station, settled."""

import datetime as dt
import time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from launcher.cloud_client import CloudClient
from tests.end_to_end.house import House
from tests.waiting import wait_until

STRETCH_MS = 120_000
"""Minutes are due by twos, a minute before the first of them."""
LOOK_MS = 100_000
"""A person who looks at a bid before its gate closes needs forty seconds on a busy machine."""
WHOLE_LIFE_S = 420
"""Nearly four minutes to delivery at the most, two of it, a half for the statement."""
OFFER = [{"direction": "discharge", "power_mw": "3", "price": "-100"}]
"""So cheap that it clears in every hour of the recording, and large beside the regulation signal
of 0.3 MW that rides on it."""

NEAR_MWH = Decimal("0.025")
"""Regulation of 0.3 MW for two minutes is a hundredth; the rest is for the ends, whose counters
are the last of a minute."""
PASSWORD = "a second pair of eyes"

pytestmark = pytest.mark.timeout(900)


def version(whole: dict[str, Any]) -> dict[str, Any]:
    """The version that no other has replaced."""
    return whole["versions"][-1]


def offered(house: House) -> dict[str, Any]:
    """A bid for the next stretch: the desk's own, or where it sees nothing to earn, one of ours."""
    begin_ms = (int(time.time() * 1e3) + LOOK_MS) // STRETCH_MS * STRETCH_MS + STRETCH_MS
    starts = (begin_ms, begin_ms + STRETCH_MS // 2)
    day = dt.datetime.fromtimestamp(begin_ms / 1e3, ZoneInfo("Asia/Shanghai")).date()
    there = [
        one
        for one in house.client.bids("demo")
        if one["product"] == "minute-energy" and one["begin_ms"] == begin_ms
    ]
    if there:
        return house.client.bid("demo", there[0]["id"])
    return house.client.draft_bid(
        "demo",
        {
            "desk": "demo",
            "market": "test-exchange",
            "product": "minute-energy",
            "day": day.isoformat(),
            "intervals": [{"start_ms": start, "segments": OFFER} for start in starts],
            "why": "end-to-end test",
        },
    )


@pytest.fixture(scope="module")
def checked(house: House) -> dict[str, Any]:
    """A bid by the minute that keeps the market's rules and the desk's limits."""
    house.client.set_limits("demo", {"max_power_mw": 3.45}, "no forecast weighs a trader's own bid")
    wait_until(
        lambda: any(one["state"] == "checked" for one in house.client.bids("demo")),
        "the desk's own first bid, for which it trains its forecast",
        240,
    )
    drafted = offered(house)
    wait_until(
        lambda: version(house.client.bid("demo", drafted["id"]))["judgement"] is not None,
        "the check of the bid",
        60,
    )
    return house.client.bid("demo", drafted["id"])


@pytest.fixture(scope="module")
def head(house: House) -> CloudClient:
    """A second person: what one person has drafted without a forecast another one approves."""
    house.client.create_user("lin", PASSWORD, ["head_trader"])
    client = CloudClient(house.stack.addresses["web"])
    client.sign_in("lin", PASSWORD)
    return client


def test_a_bid_is_approved_accepted_cleared_followed_and_settled(
    house: House, head: CloudClient, checked: dict[str, Any]
):
    name, looked_at = checked["id"], version(checked)
    number = looked_at["number"]
    judged = looked_at["judgement"]
    assert (judged["violations"], judged["breaches"]) == ([], [])
    assert judged["figures"]["power_mw"] > 0

    head.approve_bid("demo", name, number, looked_at["fingerprint"])
    wait_until(
        lambda: is_settled(house.client.bid("demo", name)), "the bid's settlement", WHOLE_LIFE_S
    )
    whole = house.client.bid("demo", name)
    log = [step["after"] for step in whole["log"] if step["version"] == number]
    life = ["approved", "submitted", "accepted", "cleared", "scheduled", "delivered", "settled"]
    assert [one for one in log if one in life] == life
    assert taken(house).count(f"{name}-{number}") == 1
    awarded = Decimal(0)
    for one in whole["clearing"]["awards"]:
        sign = 1 if one["direction"] == "discharge" else -1
        awarded += sign * Decimal(one["power_mw"]) / 60
    measured = sum(Decimal(one["energy_mwh"]) for one in whole["delivery"]["measured"])
    assert measured == pytest.approx(awarded, abs=NEAR_MWH)
    settlement = whole["settlement"]
    lines = sum(Decimal(amount) for amount in settlement["lines"].values())
    assert Decimal(settlement["amount"]) == lines
    assert settlement["ours_day"] is not None
    assert settlement["differs"] is False


def is_settled(whole: dict[str, Any]) -> bool:
    """Whether the statement has come, and our own sum of the day to compare it with."""
    settlement = whole["settlement"]
    return version(whole)["state"] == "settled" and settlement["ours_day"] is not None


def taken(house: House) -> list[str]:
    """The keys of the submissions that the exchange has taken, by its own count."""
    place = house.stack.place
    assert place is not None
    token = place.token_file.read_text().strip()
    answer = httpx.get(
        f"{place.address}/v1/log", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    answer.raise_for_status()
    return list(answer.json()["taken"])
