"""Who decides about the power: people, dispatch centre, schedule; also without the cloud."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from launcher.dispatch_centre import DispatchCentre
from launcher.scenario import AgcRequest
from station.dispatch.control_mode import ControlMode
from tests.end_to_end.house import House
from tests.waiting import wait_until

WHY = {"reason": "end-to-end test"}
RATED_KW = 3450.0
NEAR_KW = 0.02 * RATED_KW


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def signals(house: House) -> dict[str, float]:
    """The station's own row; what it does not know is no number, and near to nothing."""
    row = house.stack.status().get("station", {})
    return {name: math.nan if value is None else float(value) for name, value in row.items()}


def is_near(house: House, kw: float) -> Callable[[], bool]:
    return lambda: abs(signals(house).get("delivered_power_kw", math.nan) - kw) < NEAR_KW


def far_from_now(house: House, *choices_kw: float) -> float:
    """The power that is furthest from what is delivered: the schedule of the hour is anything."""
    delivered_kw = signals(house).get("delivered_power_kw", math.nan)
    return max(choices_kw, key=lambda kw: abs(kw - delivered_kw))


def follows_its_schedule(house: House) -> bool:
    """Whether the schedule decides (regulation that was sold with it included), and is met."""
    row = signals(house)
    return (
        row.get("control_mode") == ControlMode.SCHEDULE
        and math.isfinite(row["scheduled_power_kw"])
        and abs(row["delivered_power_kw"] - row["target_power_kw"]) < NEAR_KW
    )


@contextmanager
def asking(house: House, power_kw: float) -> Iterator[DispatchCentre]:
    """The dispatch centre has control and asks for one power."""
    request = AgcRequest(0.0, float("inf"), power_kw)
    centre = DispatchCentre("127.0.0.1", house.stack.centre_port, [request])
    centre.start()
    try:
        yield centre
    finally:
        centre.stop()


def receipt_of(house: House, order_id: str) -> dict:
    found: list[dict] = []

    def answered() -> bool:
        orders = house.client.orders("demo")
        found[:] = [o["receipt"] for o in orders if o["id"] == order_id and o["receipt"]]
        return bool(found)

    wait_until(answered, "the station's receipt", 30)
    return found[0]


def test_a_person_decides_until_the_release_and_the_meter_shows_it(house: House):
    begun_ms = now_ms()
    asked_kw = far_from_now(house, -500.0, 700.0)
    order = house.client.order("demo", "setpoint", WHY | {"power_kw": asked_kw, "minutes": 5})
    receipt = receipt_of(house, order["id"])
    wait_until(is_near(house, asked_kw), f"{asked_kw} kW at the meter", 40)

    house.client.order("demo", "release", WHY)
    wait_until(lambda: follows_its_schedule(house), "the schedule's power again", 60)

    assert receipt["outcome"] == "accepted"

    def by_hand() -> list[dict]:
        commands = house.client.commands("demo", begun_ms, now_ms())
        return [c for c in commands if c["requester"] == order["id"]]

    wait_until(by_hand, "the commands of the person in the cloud", 30)
    assert {c["source"] for c in by_hand()} == {"manual"}


def test_the_dispatch_centre_takes_control_and_gives_it_back(house: House):
    asked_kw = far_from_now(house, 800.0, -400.0)
    with asking(house, asked_kw) as centre:
        wait_until(lambda: centre.asked_kw is not None, "the centre's request", 30)
        wait_until(is_near(house, asked_kw), f"{asked_kw} kW at the meter", 40)
        heard_kw = centre.asked_kw

    wait_until(lambda: follows_its_schedule(house), "the schedule's power again", 60)

    assert heard_kw == asked_kw
    assert centre.refused == 0


def test_control_goes_on_without_the_cloud_and_its_record_comes_in_order_afterwards(house: House):
    relay = house.stack.relay
    assert relay is not None
    relay.pull()
    begun_ms = now_ms()
    asked_kw = far_from_now(house, -700.0, 500.0)
    with asking(house, asked_kw):
        wait_until(is_near(house, asked_kw), f"{asked_kw} kW at the meter", 40)
    wait_until(lambda: follows_its_schedule(house), "the schedule's power again", 60)
    ended_ms = now_ms()
    unheard = house.client.commands("demo", begun_ms, ended_ms)

    relay.plug()
    house.wait_drained()

    def changes() -> list[dict]:
        events = house.client.events("demo", begun_ms, ended_ms)
        return [e for e in events if e["code"] == "control.mode_changed"]

    wait_until(
        lambda: any(
            c["source"] == "agc" for c in house.client.commands("demo", begun_ms, ended_ms)
        ),
        "the commands of the time without cloud",
        60,
    )
    wait_until(lambda: len(changes()) >= 2, "its changes of mode, there and back", 60)

    commands = house.client.commands("demo", begun_ms, ended_ms)
    issued = [c["issued_ms"] for c in commands]
    assert unheard == []
    assert issued == sorted(issued, reverse=True)
    assert {c["state"] for c in commands} <= {"accepted", "delivered", "superseded"}
    events = house.client.events("demo", begun_ms, ended_ms)
    assert any("dispatch centre" in e["text_en"] for e in events)


def test_a_self_test_is_ordered_and_its_result_is_told(house: House):
    begun_ms = now_ms()
    house.client.order("demo", "self-test", WHY)

    def told() -> list[dict]:
        events = house.client.events("demo", begun_ms, now_ms() + 1)
        return [e for e in events if e["code"].startswith("dispatch.self_test")]

    wait_until(lambda: bool(told()), "the self-test's result", 150)
    assert told()[0]["code"] == "dispatch.self_test", told()[0]["text_en"]
