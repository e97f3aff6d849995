"""What a message of a sensor says."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.frame import Quality
from contract.signals import SIGNALS
from station.protocols.mqtt.payload import NotTold, body_of, find, time_ms_of, value_of
from station.protocols.mqtt.profile import MessageTime, SignalSource


def source(signal: str = "hydrogen_ppm", **facts: object) -> SignalSource:
    return SignalSource.model_validate({"topic": "t", "signal": signal, **facts})


@pytest.mark.parametrize(
    ("payload", "path", "found"),
    [
        (b"21.5", "", 21.5),
        (b" ON \n", "", "ON"),
        (b'{"gas": {"h2": 4}}', "gas.h2", 4),
        (b'{"probes": [{"v": 1}, {"v": 2}]}', "probes.1.v", 2),
        (b"true", "", True),
    ],
)
def test_a_payload_is_a_number_a_word_or_json(payload, path, found):
    assert find(body_of(payload), path) == found


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b'{"gas": {}}', "gas.h2"),
        (b"[1]", "1"),
        (b"7", "gas"),
        (b"\xff\xfe", ""),
        (b"9" * 100_000, ""),
    ],
)
def test_what_is_not_in_a_payload_is_not_told(payload, path):
    with pytest.raises(NotTold):
        find(body_of(payload), path)


@pytest.mark.parametrize(
    ("told", "facts", "raw", "quality"),
    [
        (12, {}, 12, Quality.GOOD),
        ("12.4", {}, 12, Quality.GOOD),
        (25_000, {"scale": 0.001}, 25, Quality.GOOD),
        (11_000, {"high": 10_000}, 11_000, Quality.QUESTIONABLE),
        (40_000, {}, 0, Quality.INVALID),
        (-1, {"invalid": [-1]}, 0, Quality.INVALID),
        ("error", {"invalid": ["error"]}, 0, Quality.INVALID),
        ("warming up", {}, 0, Quality.INVALID),
        (None, {}, 0, Quality.INVALID),
        ({"v": 1}, {}, 0, Quality.INVALID),
        (math.nan, {}, 0, Quality.INVALID),
    ],
)
def test_a_value_is_scaled_checked_and_marked(told, facts, raw, quality):
    assert value_of(told, source(**facts), SIGNALS["hydrogen_ppm"]) == (raw, quality)


@pytest.mark.parametrize(
    ("told", "raw", "quality"),
    [
        ("ALARM", 1, Quality.GOOD),
        ("clear", 0, Quality.GOOD),
        ("test", 0, Quality.INVALID),
        (True, 1, Quality.GOOD),
    ],
)
def test_words_are_states_in_any_case_and_unknown_ones_are_no_value(told, raw, quality):
    words = {"alarm": 1, "clear": 0, "true": 1}

    found = value_of(told, source("smoke_detected", words=words), SIGNALS["smoke_detected"])

    assert found == (raw, quality)


def test_a_state_that_the_signal_does_not_have_is_no_value():
    assert value_of(7, source("smoke_detected"), SIGNALS["smoke_detected"])[1] is Quality.INVALID


def test_true_is_not_the_marker_1():
    found = value_of(True, source("smoke_detected", invalid=[1]), SIGNALS["smoke_detected"])

    assert found == (1, Quality.GOOD)


@pytest.mark.parametrize(
    ("told", "unit", "time_ms"),
    [
        (1_790_000_000, "s", 1_790_000_000_000),
        (1_790_000_000_500, "ms", 1_790_000_000_500),
        ("2026-11-26T08:00:00+08:00", "iso", 1_795_651_200_000),
        ("2026-11-26T00:00:00", "iso", 1_795_651_200_000),
        ("yesterday", "iso", None),
        (0, "s", None),
        (None, "s", None),
        (1e300, "ms", None),
    ],
)
def test_the_sensors_own_time_is_read_or_not_known(told, unit, time_ms):
    assert time_ms_of({"ts": told}, MessageTime(path="ts", unit=unit)) == time_ms


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(json_values | st.binary(max_size=30))
def test_no_message_makes_a_value_that_its_signal_cannot_hold(message):
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    try:
        told = find(body_of(payload), "")
    except NotTold:
        return

    for name in ("hydrogen_ppm", "smoke_detected"):
        signal = SIGNALS[name]
        raw, quality = value_of(told, source(name, scale=0.5), signal)
        assert raw == round(raw)
        assert abs(raw) <= {"i1": 128, "i2": 32768}[signal.dtype]
        assert quality in {Quality.GOOD, Quality.QUESTIONABLE} or raw == 0
