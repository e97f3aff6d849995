"""What docs/protocols.md shows as an example is a profile that loads."""

import re
import tomllib
from pathlib import Path

from station.config import CentreConfig, DeviceConfig
from station.iec104.point_list import (
    SHOWN,
    Command,
    ControlPoint,
    MonitorPoint,
    PointList,
    SignOfLife,
    load_points,
)
from station.iec104.types import CONTROLLED, MONITORED
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850 import scl
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.hints import hints
from station.protocols.mqtt import profile as sensors
from station.protocols.mqtt.access import AccessFile
from station.protocols.mqtt.profile import (
    Availability,
    MessageTime,
    MqttProfile,
    SignalSource,
)
from tests.station.protocols.iec61850_peer import ICD

TEXT = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)


def block(words: str) -> str:
    """Return the one example that has these words in it."""
    (found,) = (text for text in BLOCKS if words in text)
    return found


MODBUS, MAPPING = block("Liquid-cooling unit"), block("[commands]")
PACKED = block("Packed rack")
MQTT_DEVICE, MQTT_PROFILE = block("broker.toml"), block("Hydrogen and smoke")
CENTRE, CENTRE_104 = (text for text in BLOCKS if "[centre]" in text)


def test_the_modbus_example_is_a_profile(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(MODBUS, "utf-8")

    assert profiles.load(str(path)).title == "Liquid-cooling unit"


def test_the_example_of_the_rarer_keys_is_a_profile_without_odd_things(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(PACKED, "utf-8")

    profile = profiles.load(str(path))

    assert all(hint.startswith(("nothing proves", "no [time]")) for hint in hints(profile))


def test_the_mapping_example_binds_to_the_sample_converter(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(MAPPING, "utf-8")

    binding = mappings.bind(str(path), mappings.load(str(path)), scl.load(ICD))

    assert set(binding.controls) == {"active_power_setpoint_kw", "start"}


def test_the_examples_of_mqtt_are_a_device_and_a_profile(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(MQTT_PROFILE, "utf-8")

    device = DeviceConfig.model_validate(tomllib.loads(MQTT_DEVICE)["devices"][0])

    assert device.topic == "room/1"
    assert [source.signal for source in sensors.load(str(path)).signals] == [
        "hydrogen_ppm",
        "smoke_detected",
    ]


def test_every_key_of_an_mqtt_profile_and_a_brokers_file_is_described():
    part = TEXT.partition("## MQTT")[2].partition("## Dispatch centre")[0]
    models = (MqttProfile, MessageTime, Availability, SignalSource, AccessFile)

    for key in {key for model in models for key in model.model_fields}:
        assert re.search(rf"\b{key}\b", part), key


def test_the_centres_example_is_a_section():
    section = CentreConfig.model_validate(tomllib.loads(CENTRE)["centre"])
    second = CentreConfig.model_validate(tomllib.loads(CENTRE_104)["centre"])

    assert section.port == 2502
    assert set(tomllib.loads(CENTRE_104)["centre"]) == set(CentreConfig.model_fields)
    assert load_points(second.points, {}).sign_of_life is SignOfLife.HEARTBEAT


def test_every_key_signal_and_type_of_a_point_list_is_described():
    part = TEXT.partition("### Over IEC 60870-5-104")[2]
    keys = {*PointList.model_fields, *MonitorPoint.model_fields, *ControlPoint.model_fields}

    assert all(f"`{word}`" in part for word in (*keys - {"points", "name"}, *SHOWN, *Command))
    assert all(kind[:4] in part and kind[5:7] in part for kind in (*MONITORED, *CONTROLLED))


def test_every_shipped_profile_is_described():
    for path in profiles.PROFILE_FOLDER.glob("*.toml"):
        assert path.name in TEXT
