"""Profiles and brokers' files: what they hold, and how wrong ones are refused."""

import tomllib

import pytest
import tomli_w

from station.protocols import check_device
from station.protocols.driver import DeviceSpec
from station.protocols.errors import ProfileError
from station.protocols.mqtt import access
from station.protocols.mqtt.profile import load
from station.protocols.profile_files import PROFILE_FOLDER
from tests.station.pki import TestAuthority

SHIPPED = tomllib.loads((PROFILE_FOLDER / "mqtt-room.toml").read_text("utf-8"))


def spec(profile: str = "mqtt-room.toml", **facts: str) -> DeviceSpec:
    return DeviceSpec("C1-GAS", profile, "127.0.0.1", 1883, **facts)


def test_the_profile_that_ships_fills_every_signal_of_a_room():
    profile = load("mqtt-room.toml")

    told = {source.signal for source in profile.signals}
    assert told == {column.signal.name for column in profile.columns.columns}
    check_device("mqtt", spec(topic="room/1"))


@pytest.mark.parametrize(
    ("changes", "key", "remedy"),
    [
        ({"layout": "roof"}, "layout", "take one of pcs"),
        ({"stale_s": 0}, "stale_s", "docs/protocols.md"),
        ({"stail_s": 9}, "stail_s", "docs/protocols.md"),
        ({"signals": []}, "signals", "docs/protocols.md"),
        ({0: {"signal": "soc"}}, "signals.0.signal", "take one of ambient_c"),
        ({1: {"signal": "ambient_c"}}, "signals.1.signal", "is told twice"),
        ({0: {"topic": "room/+/state"}}, "signals.0.topic", "without + and #"),
        ({0: {"topic": "{room}/state"}}, "signals.0.topic", "only {topic}"),
        ({0: {"scale": 0.0}}, "signals.0", "a scale of 0"),
        ({0: {"low": 9, "high": 1}}, "signals.0", "low must be below high"),
        ({0: {"unit": "°F"}}, "signals.0.unit", "give scale or offset"),
        ({0: {"scale": 0.1}}, "signals.0.unit", "leave scale and offset out"),
        ({0: {"scale": "0.1"}}, "signals.0.scale", "must be a number"),
        ({1: {"scale": 1.0}}, "signals.1.unit", "from '%' to a plain number (1 is 100 %)"),
        ({5: {"unit": "V"}}, "signals.5.unit", "leave it out"),
        ({5: {"words": {"on": 4}}}, "signals.5.words", "its states are [0, 1]"),
        ({5: {"scale": 2.0}}, "signals.5", "words have no scale"),
    ],
)
def test_a_wrong_profile_is_refused_naming_file_key_and_remedy(tmp_path, changes, key, remedy):
    signals = [
        {**told, **changes.get(number, {})} for number, told in enumerate(SHIPPED["signals"])
    ]
    others = {k: v for k, v in changes.items() if isinstance(k, str)}
    file = tmp_path / "own.toml"
    file.write_bytes(tomli_w.dumps({**SHIPPED, "signals": signals, **others}).encode())

    with pytest.raises(ProfileError) as error:
        load(str(file))

    assert (error.value.file, error.value.key) == (str(file), key)
    assert remedy in str(error.value)


def test_a_sensor_without_its_own_part_of_the_topic_is_refused():
    with pytest.raises(ProfileError, match="give the device a key topic"):
        check_device("mqtt", spec())


def test_a_brokers_file_has_the_password_in_another(tmp_path):
    (tmp_path / "secret").write_text("s3\n", "utf-8")
    (tmp_path / "ca.pem").write_bytes(TestAuthority().pem)
    file = tmp_path / "broker.toml"
    file.write_text('user = "station"\npassword_file = "secret"\nca = "ca.pem"\n', "utf-8")

    found = access.load(str(file))

    assert (found.user, found.password) == ("station", "s3")
    assert found.tls is not None
    assert "s3" not in repr(found)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('password_file = "secret"', "file"),
        ('user = "u"\npassword_file = "nowhere"', "password_file"),
        ('certificate = "a.pem"', "file"),
        ('ca = "nowhere.pem"', "ca, certificate, key"),
        ('pasword = "x"', "pasword"),
        ("user =", "file"),
    ],
)
def test_a_wrong_brokers_file_is_refused_naming_its_key(tmp_path, text, key):
    file = tmp_path / "broker.toml"
    file.write_text(text, "utf-8")

    with pytest.raises(ProfileError) as error:
        access.load(str(file))

    assert error.value.key == key


def test_all_mistakes_of_a_profile_are_told_together(tmp_path):
    file = tmp_path / "sensor.toml"
    file.write_text(
        'title = "t"\nlayout = "room"\nstale_s = 9\n'
        '[[signals]]\nsignal = "soc"\ntopic = "t"\n'
        '[[signals]]\nsignal = "hydrogen_ppm"\ntopic = "t"\nunit = "%"\n'
    )

    with pytest.raises(ProfileError) as caught:
        load(str(file))

    assert [one.key for one in (caught.value, *caught.value.also)] == [
        "signals.0.signal",
        "signals.1.unit",
    ]
