"""What a sensor has told, and for how long it counts."""

import json

import pytest

from contract import layouts
from contract.frame import Quality
from station.image import ProcessImage
from station.protocols.driver import DeviceSpec
from station.protocols.mqtt.profile import MqttProfile, load
from station.protocols.mqtt.sensor import Sensor
from tests.station.site import site_config

NOW_MS = 1_790_000_000_000
SPEC = DeviceSpec("C1-GAS", "mqtt-room.toml", "127.0.0.1", 1883, topic="room/1")
STATE = "room/1/state"


def sensor(**changes: object) -> Sensor:
    return Sensor(SPEC, load("mqtt-room.toml").model_copy(update=changes))


def message(at_ms: int | None = NOW_MS, **facts: object) -> bytes:
    when = {} if at_ms is None else {"ts": at_ms / 1000}
    return json.dumps({**when, **facts}).encode()


def value(heard: Sensor, signal: str, now_ms: int = NOW_MS) -> tuple[int, Quality]:
    reading = heard.reading(now_ms)
    column = layouts.ROOM.column(signal)
    return int(reading.values[column][0]), Quality(int(reading.quality[column]))


def test_a_message_fills_its_signals_and_the_others_are_missing():
    heard = sensor()

    told = heard.hear(STATE, message(temperature=21.5, gas={"h2": 7}), NOW_MS, retained=False)

    assert told
    assert value(heard, "ambient_c") == (215, Quality.GOOD)
    assert value(heard, "hydrogen_ppm") == (7, Quality.GOOD)
    assert value(heard, "smoke_detected") == (0, Quality.MISSING)
    assert heard.reading(NOW_MS).layout == "room"


def test_a_value_stops_counting_after_its_own_time_while_others_go_on():
    heard = sensor()
    heard.hear(STATE, message(temperature=20), NOW_MS, retained=False)
    later_ms = NOW_MS + 60_000
    heard.hear(STATE, message(later_ms, humidity=40), later_ms, retained=False)

    at_ms = NOW_MS + 90_000

    assert value(heard, "ambient_c", at_ms) == (0, Quality.MISSING)
    assert value(heard, "relative_humidity", at_ms) == (400, Quality.GOOD)
    assert heard.lives(at_ms)
    assert not heard.lives(later_ms + 90_000)


def test_what_the_broker_has_kept_counts_only_by_the_sensors_own_time():
    undated, fresh, old = sensor(), sensor(), sensor()

    undated.hear(STATE, message(None, smoke=True), NOW_MS, retained=True)
    fresh.hear(STATE, message(NOW_MS - 30_000, smoke=True), NOW_MS, retained=True)
    old.hear(STATE, message(NOW_MS - 90_000, smoke=True), NOW_MS, retained=True)

    assert not undated.lives(NOW_MS)
    assert value(fresh, "smoke_detected") == (1, Quality.GOOD)
    assert not fresh.lives(NOW_MS + 60_000)
    assert not old.lives(NOW_MS)


def test_a_message_that_was_long_under_way_is_as_old_as_the_sensor_says():
    heard = sensor()

    assert not heard.hear(STATE, message(NOW_MS - 90_000, smoke=True), NOW_MS, retained=False)


def test_a_clock_that_is_far_ahead_makes_values_questionable_and_no_younger():
    heard = sensor()
    ahead_ms = NOW_MS + 3_600_000
    heard.hear(STATE, message(ahead_ms, temperature=20), NOW_MS, retained=False)

    assert value(heard, "ambient_c") == (200, Quality.QUESTIONABLE)
    assert not heard.lives(NOW_MS + 90_000)


def test_the_last_will_of_a_sensor_ends_it_until_it_speaks_again():
    heard = sensor()
    heard.hear(STATE, message(temperature=20), NOW_MS, retained=False)

    heard.hear("room/1/availability", b"offline", NOW_MS, retained=True)
    gone = heard.lives(NOW_MS)
    heard.hear(STATE, message(temperature=21), NOW_MS, retained=False)

    assert not gone
    assert heard.lives(NOW_MS)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"null", b"[]", b'{"ts": 1}', b"x" * 70_000])
def test_nonsense_tells_nothing(payload):
    heard = sensor()

    assert not heard.hear(STATE, payload, NOW_MS, retained=False)
    assert not heard.lives(NOW_MS)


def test_a_sensor_of_plain_numbers_needs_no_json():
    profile = MqttProfile.model_validate(
        {
            "title": "plain",
            "layout": "room",
            "stale_s": 60,
            "signals": [{"signal": "hydrogen_ppm", "topic": "{topic}/h2", "scale": 10_000.0}],
        }
    )
    heard = Sensor(SPEC, profile)

    assert heard.hear("room/1/h2", b"0.0025", NOW_MS, retained=False)
    assert value(heard, "hydrogen_ppm") == (25, Quality.GOOD)


def test_a_sensor_that_is_silent_is_stale_in_the_image_within_its_limit(tmp_path):
    config, heard = site_config(tmp_path), sensor()
    image = ProcessImage(config.staleness.model_dump())
    heard.hear(STATE, message(smoke=True), NOW_MS, retained=False)
    image.update(heard.reading(NOW_MS), 0)

    ages = [image.freeze(NOW_MS + ms, ms).get("C1-GAS", "room").stale for ms in (59_000, 61_000)]

    assert ages == [False, True]


@pytest.mark.parametrize("retained", [True, False])
def test_a_message_older_than_what_is_known_changes_nothing(retained):
    heard = sensor()
    heard.hear(STATE, message(smoke=True), NOW_MS, retained=False)

    told = heard.hear(STATE, message(NOW_MS - 60_000, smoke=False), NOW_MS, retained=retained)

    assert not told
    assert value(heard, "smoke_detected") == (1, Quality.GOOD)
    assert value(heard, "smoke_detected", NOW_MS + 60_000) == (1, Quality.GOOD)


def test_a_message_of_the_same_time_and_one_without_a_time_take_effect():
    heard = sensor()
    heard.hear(STATE, message(smoke=True, temperature=20), NOW_MS, retained=False)

    heard.hear(STATE, message(smoke=False), NOW_MS, retained=False)
    heard.hear(STATE, message(None, temperature=21), NOW_MS, retained=False)

    assert value(heard, "smoke_detected") == (0, Quality.GOOD)
    assert value(heard, "ambient_c") == (210, Quality.GOOD)
