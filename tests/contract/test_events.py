import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import events
from contract.errors import EventError
from contract.events import EVENT_CODES, Event, Severity
from contract.words import Words
from tests.contract.test_orders import PLAIN

EVENT = events.make(
    "cell.temperature",
    id="e-1",
    station="jinshan-1",
    device="C1-R03",
    active=True,
    at_ms=1_767_225_600_000,
    value=61.2,
    limit=55.0,
    detail=Words("cell 117", "117 号单体"),
)


@pytest.mark.parametrize("code", sorted(EVENT_CODES))
def test_an_event_of_every_code_survives_its_json(code):
    event = events.make(
        code, id="1", station="s", device="d", active=False, at_ms=5, value=None, limit=None
    )

    assert events.from_json(events.to_json([event])) == [event]
    assert event.severity == EVENT_CODES[code].severity


def test_an_event_carries_its_detail_in_both_languages():
    assert EVENT.text("en") == "cell temperature out of limits: cell 117"
    assert EVENT.text("zh-CN") == "单体温度越限:117 号单体"
    assert EVENT.severity == Severity.ALARM


def test_an_unknown_code_is_refused_with_the_codes_there_are():
    with pytest.raises(EventError, match=r"no.such.*station\.started"):
        events.make("no.such", id="1", station="s", device="d", active=True, at_ms=1)


@given(PLAIN | st.lists(st.dictionaries(st.sampled_from([*Event.__slots__]), PLAIN), max_size=3))
def test_any_other_json_is_refused(value):
    if value == []:
        return
    with pytest.raises(EventError):
        events.from_json(json.dumps(value).encode())


@given(st.sampled_from([*Event.__slots__]), PLAIN)
def test_one_odd_field_is_refused_or_survives(field, value):
    found = json.loads(events.to_json([EVENT]))
    found[0][field] = value

    try:
        read = events.from_json(json.dumps(found).encode())
    except EventError:
        return
    assert events.from_json(events.to_json(read)) == read


def test_the_event_that_is_wrong_is_named():
    found = json.loads(events.to_json([EVENT, EVENT]))
    found[1]["severity"] = 9

    with pytest.raises(EventError, match=r"event 1: severity 9"):
        events.from_json(json.dumps(found).encode())


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    if noise.strip() == b"[]":
        return
    with pytest.raises(EventError):
        events.from_json(noise)


@pytest.mark.parametrize("blob", [b"[" * 100_000, b" " * (5 << 20), b"[NaN]", b"{}", b"[{}]"])
def test_hostile_lists_are_refused(blob):
    with pytest.raises(EventError):
        events.from_json(blob)


def test_too_many_events_are_refused():
    with pytest.raises(EventError, match="at most"):
        events.from_json(b"[" + b"0," * 20_000 + b"0]")


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": 0},
        {"severity": 5},
        {"severity": True},
        {"active": 1},
        {"at_ms": -1},
        {"at_ms": 1.5},
        {"value": float("nan")},
        {"limit": float("inf")},
        {"value": "61"},
        {"value": True},
        {"device": ""},
        {"text_en": "x" * 501},
        {"text_zh": "a\nb"},
    ],
)
def test_an_event_that_no_reader_could_show_cannot_be_built(changes):
    with pytest.raises(EventError):
        replace(EVENT, **changes)


def test_conditions_of_one_code_at_one_device_are_told_apart_by_their_tag():
    event = events.make(
        "rack.alarm", id="1", station="s", device="d", active=True, at_ms=5, tag="rack_alarms.3"
    )

    assert events.from_json(events.to_json([event])) == [event]
    assert event.tag == "rack_alarms.3"


def test_an_event_of_an_earlier_station_has_no_tag_and_is_read():
    found = json.loads(events.to_json([EVENT]))
    del found[0]["tag"]

    assert events.from_json(json.dumps(found).encode()) == [EVENT]
