"""How times are asked for: as numbers or as texts, wherever the interface takes a range."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.api.times import Range, read_time
from tests.cloud.web.feeder import now_ms
from tests.cloud.web.plant import WARM_RACK

NEW_YEAR_MS = 1_767_225_600_000
RANGES = (
    "/api/v1/stations/haibin-1/events",
    "/api/v1/stations/haibin-1/commands",
    "/api/v1/stations/haibin-1/ledger",
    "/api/v1/alarms/metrics",
    "/api/v1/alarms/nuisances/fleeting",
)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR_MS),
        ("2026-01-01T08:00:00+08:00", NEW_YEAR_MS),
        ("2025-12-31T19:00-05:00", NEW_YEAR_MS),
        ("20260101T000000.250Z", NEW_YEAR_MS + 250),
        (str(NEW_YEAR_MS), NEW_YEAR_MS),
        (NEW_YEAR_MS, NEW_YEAR_MS),
    ],
)
def test_a_number_and_a_text_with_its_zone_are_the_same_time(text, at_ms):
    assert Range.model_validate({"from": text, "to": text}).start_ms == at_ms


@given(st.integers(0, 8_000_000_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_every_time_is_read_as_it_was_written(at_us, offset_min):
    zone = dt.timezone(dt.timedelta(minutes=offset_min))
    time = dt.datetime.fromtimestamp(0, zone) + dt.timedelta(microseconds=at_us)

    assert read_time(time.isoformat()) == at_us // 1000


@pytest.mark.parametrize("path", RANGES)
async def test_every_range_may_be_asked_for_by_the_clock_of_any_zone(feeder, viewer, path):
    end = dt.datetime.fromtimestamp(now_ms() / 1e3, dt.timezone(dt.timedelta(hours=8)))
    begin = end - dt.timedelta(hours=1)

    answer = await viewer.get(path, params={"from": begin.isoformat(), "to": end.isoformat()})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T08:00:00 08:00", ""]
)
@pytest.mark.parametrize("path", RANGES)
async def test_what_is_no_time_is_refused_with_both_forms(feeder, viewer, path, text):
    answer = await viewer.get(path, params={"from": text, "to": now_ms()})

    assert answer.status_code == 422
    message = answer.json()["message"]
    assert message.startswith(f"query.from: {text!r} is no time: ")
    assert "epoch milliseconds" in message
    assert "ISO 8601 with its zone" in message


async def test_cells_of_a_past_time_are_asked_for_in_either_form(feeder, viewer):
    path = f"/api/v1/stations/haibin-1/cells/{WARM_RACK}"
    at_ms = (await viewer.get(path)).json()["at_ms"] - 30_000
    at = dt.datetime.fromtimestamp(at_ms / 1e3, dt.UTC).isoformat()

    by_text = (await viewer.get(path, params={"at": at})).json()
    by_number = (await viewer.get(path, params={"at": at_ms})).json()

    assert (by_text["at_ms"], by_text["voltage_v"]) == (by_number["at_ms"], by_number["voltage_v"])
    assert by_text["at_ms"] <= at_ms
    assert (await viewer.get(path, params={"at": "noon"})).status_code == 422
