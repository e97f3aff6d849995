import asyncio
import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from tests.cloud.web.console import ZONE

PATH = "/api/v1/stations/haibin-1"


def tomorrow() -> str:
    return (dt.datetime.now(ZoneInfo(ZONE)).date() + dt.timedelta(days=1)).isoformat()


def body(power_kw=0.0, **change: object):
    return {"date": tomorrow(), "interval_min": 15, "power_kw": [power_kw] * 96} | change


async def answered(operator) -> list[dict]:
    """The orders once the newest has its receipt."""
    end = asyncio.get_running_loop().time() + 20
    while asyncio.get_running_loop().time() < end:
        orders = (await operator.get(f"{PATH}/orders")).json()["orders"]
        if orders[0]["receipt"] is not None:
            return orders
    raise AssertionError("waited 20 s in vain for a receipt")


async def test_a_schedule_goes_out_as_an_order_and_comes_back_as_a_receipt(feeder, operator):
    answering = asyncio.ensure_future(feeder.run())
    checked = (await operator.post(f"{PATH}/schedules/check", json=body(100.0))).json()

    sent = await operator.post(
        f"{PATH}/schedules", json=body(100.0, fingerprint=checked["fingerprint"])
    )

    assert sent.status_code == 201
    assert sent.json()["receipt"] is None
    orders = await answered(operator)
    answering.cancel()
    assert orders[0]["id"] == sent.json()["id"]
    assert (orders[0]["status"], orders[0]["receipt"]["outcome"]) == ("accepted", "accepted")
    assert orders[0]["created_by"] == "operator-user"
    shown = (await operator.get(f"{PATH}/schedules", params={"date": tomorrow()})).json()
    assert shown["power_kw"] == [100.0] * 96


async def test_a_day_without_schedule_is_empty(feeder, viewer):
    shown = (await viewer.get(f"{PATH}/schedules", params={"date": tomorrow()})).json()

    assert (shown["power_kw"], shown["points"]) == (None, 96)


async def test_what_was_signed_must_be_what_was_seen(feeder, operator):
    checked = (await operator.post(f"{PATH}/schedules/check", json=body(100.0))).json()

    answer = await operator.post(
        f"{PATH}/schedules", json=body(200.0, fingerprint=checked["fingerprint"])
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "schedule_refused")
    assert (await operator.get(f"{PATH}/orders")).json()["orders"] == []


async def test_the_check_names_each_broken_limit(feeder, operator):
    powers = [0.0] * 96
    powers[40] = 9999.0

    checked = (
        await operator.post(f"{PATH}/schedules/check", json=body(power_kw=0) | {"power_kw": powers})
    ).json()

    first = checked["findings"][0]
    assert (first["code"], first["first"], first["blocks"]) == ("over_rating", 40, True)
    assert checked["soc"][0] is not None


async def test_leaving_the_soc_band_is_a_warning_in_the_answer(feeder, operator):
    sent = await operator.post(f"{PATH}/schedules", json=body(3000.0))

    assert sent.status_code == 201
    assert [w["code"] for w in sent.json()["warnings"]] == ["below_soc_band"]


@pytest.mark.parametrize(
    "wrong",
    [
        body(9999.0),
        body(power_kw=0) | {"power_kw": [0.0] * 95},
        body(power_kw=0) | {"power_kw": []},
        body(power_kw=0) | {"date": "tomorrow"},
        body(power_kw=0) | {"timezone": "UTC"},
        body(power_kw=0) | {"interval_min": 7},
        body(power_kw=0) | {"power_kw": ["NaN"] * 96},
    ],
)
async def test_a_wrong_schedule_is_refused_and_nothing_is_sent(feeder, operator, wrong):
    answer = await operator.post(f"{PATH}/schedules", json=wrong)

    assert answer.status_code == 422
    assert answer.json()["message"]
    assert (await operator.get(f"{PATH}/orders")).json()["orders"] == []


async def test_a_viewer_may_look_at_orders_and_send_none(feeder, viewer):
    assert (await viewer.get(f"{PATH}/orders")).status_code == 200
    for path in ("schedules", "schedules/check"):
        answer = await viewer.post(f"{PATH}/{path}", json=body())
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
