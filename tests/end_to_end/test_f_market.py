"""A bid's whole life: drafted, looked at, approved, cleared, followed by the station, settled."""

import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.end_to_end.house import House
from tests.waiting import wait_until

LOOK_S = 20
"""A person who looks at a bid before its gate closes needs so long."""
WHOLE_LIFE_S = 420
"""Four minutes until the gate at the most, two of delivery, a half for the statement."""

pytestmark = pytest.mark.timeout(900)


def bids(house: House) -> list[dict[str, Any]]:
    found = house.client.bids("demo")
    return [one for one in found if one["product"] == "minute-energy"]


def bid(house: House, name: str) -> dict[str, Any]:
    return house.client.bid("demo", name)


def version(whole: dict[str, Any], number: int = 1) -> dict[str, Any]:
    (found,) = (one for one in whole["versions"] if one["number"] == number)
    return found


@pytest.fixture(scope="module")
def checked(house: House) -> dict[str, Any]:
    """The next bid by the minute that a person has the time to look at."""
    house.stack.import_prices()
    found: list[dict[str, Any]] = []

    def drafted() -> bool:
        late_ms = (time.time() + LOOK_S) * 1e3
        found[:] = [
            one for one in bids(house) if one["state"] == "checked" and one["gate_ms"] > late_ms
        ]
        found.sort(key=lambda one: one["gate_ms"])
        return bool(found)

    wait_until(drafted, "a bid by the minute that keeps all rules", 240)
    return bid(house, found[0]["id"])


def test_a_bid_is_approved_accepted_cleared_followed_and_settled(
    house: House, checked: dict[str, Any]
):
    name, offered = checked["id"], version(checked)
    assert all(one["en"] and one["zh"] for one in offered["explanation"])
    assert offered["judgement"]["figures"]["power_mw"] > 0
    assert offered["judgement"]["blocked"] == ""

    house.client.approve_bid("demo", name, 1, offered["fingerprint"])
    states: list[str] = []

    def settled() -> bool:
        state = version(bid(house, name))["state"]
        if not states or states[-1] != state:
            states.append(state)
        return state == "settled"

    wait_until(settled, "the bid's settlement", WHOLE_LIFE_S)

    whole = bid(house, name)
    log = [step["after"] for step in whole["log"] if step["version"] == 1]
    life = ["approved", "submitted", "accepted", "cleared", "scheduled", "delivered", "settled"]
    assert [one for one in log if one in life] == life
    assert taken(house).count(f"{name}-1") == 1
    awarded = Decimal(0)
    for one in whole["clearing"]["awards"]:
        sign = 1 if one["direction"] == "discharge" else -1
        awarded += sign * Decimal(one["power_mw"]) / 60
    measured = sum(Decimal(one["energy_mwh"]) for one in whole["delivery"]["measured"])
    assert measured == pytest.approx(awarded, rel=Decimal("0.15"))
    settlement = whole["settlement"]
    lines = sum(Decimal(amount) for amount in settlement["lines"].values())
    assert Decimal(settlement["amount"]) == lines
    assert settlement["ours_day"] is not None
    assert settlement["differs"] is False


def taken(house: House) -> list[str]:
    """The keys of the submissions that the exchange has taken, by its own count."""
    place = house.stack.place
    assert place is not None
    token = place.token_file.read_text().strip()
    answer = httpx.get(
        f"{place.address}/v1/log", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    answer.raise_for_status()
    return list(answer.json()["taken"])
