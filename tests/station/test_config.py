import pytest
import tomli_w

from station.config import ConfigError, Role, load
from tests.station.site import site_document


def written(tmp_path, document: dict):
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())
    return file


def test_a_right_file_is_loaded_with_paths_beside_it(tmp_path):
    (tmp_path / "p.toml").write_text("")
    document = site_document("data", regulation={"file": "signal.csv", "capacity_kw": 100})
    document["cloud"]["ca"] = "ca.pem"

    config = load(written(tmp_path, document))

    assert config.station.data_dir == tmp_path / "data"
    assert config.regulation.file == tmp_path / "signal.csv"
    assert config.cloud.ca == tmp_path / "ca.pem"
    assert config.devices[0].profile == str(tmp_path / "p.toml")
    assert [d.tag for d in config.with_role(Role.RACK)] == ["C1-R01", "C1-R02"]


def with_sensors(*topics: str) -> dict:
    document = site_document("data")
    sensor = {"role": "room", "driver": "mqtt", "profile": "mqtt-room.toml", "port": 1883}
    document["devices"] += [
        {**sensor, "tag": f"GAS-{number}", "topic": topic, "access": "broker.toml"}
        for number, topic in enumerate(topics)
    ]
    return document


def test_many_sensors_speak_through_one_broker_each_under_its_own_topic(tmp_path):
    config = load(written(tmp_path, with_sensors("room/1", "room/2")))

    assert [d.topic for d in config.with_role(Role.ROOM)] == ["room/1", "room/2"]
    assert config.devices[-1].access == tmp_path / "broker.toml"
    with pytest.raises(ConfigError, match="GAS-1 and GAS-0 are both at"):
        load(written(tmp_path, with_sensors("room/1", "room/1")))


def test_a_profile_that_ships_with_the_station_keeps_its_bare_name(tmp_path):
    config = load(written(tmp_path, site_document("data")))

    assert config.devices[0].profile == "p.toml"


def modular(tmp_path, *profiles: str):
    """Write a station whose racks all stand behind one unit id of one server."""
    document = site_document("data")
    document["devices"] = document["devices"][:3] + [
        {**document["devices"][4], "tag": f"C1-R{number:02d}", "profile": profile, "unit": 9}
        for number, profile in enumerate(profiles, 1)
    ]
    return written(tmp_path, document)


def test_like_devices_behind_one_unit_id_are_told_apart_by_their_instance(tmp_path):
    config = load(modular(tmp_path, *(f"bms-modular.toml#{n}" for n in (1, 2, 10))))

    assert [rack.instance for rack in config.with_role(Role.RACK)] == [1, 2, 10]


def test_one_instance_under_two_tags_is_refused_and_told_of_the_others(tmp_path):
    with pytest.raises(ConfigError, match=r"C1-R02 and C1-R01 are both at .* FILE\.toml#2"):
        load(modular(tmp_path, "bms-modular.toml", "bms-modular.toml#1"))


def changed(path: str, value: object) -> dict:
    document = site_document("data")
    *folders, key = path.split(".")
    place = document
    for folder in folders:
        place = place[int(folder)] if folder.isdigit() else place.setdefault(folder, {})
    place[key] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "key", "words"),
    [
        ("station.rated_power_kw", -5, "station.rated_power_kw = -5", "must be above 0"),
        ("station.rated_power_kw", "much", "station.rated_power_kw = 'much'", "must be a number"),
        ("station.timezone", "Mars/Olympus", "station.timezone = 'Mars/Olympus'", "IANA"),
        ("station.soc_max", 0.01, "station", "soc_max; they are 0.05 and 0.01"),
        ("station.id", "a b", "station.id = 'a b'", "pattern"),
        ("control.feedbak_gain", 1, "control.feedbak_gain = 1", "mend its spelling"),
        ("cloud.url", "http://127.0.0.1", "cloud.url", "pattern"),
        ("devices.2.rated_kw", 0, "devices[2].rated_kw = 0", "must be above 0"),
        ("devices.1.port", 1502, "devices[1].port = 1502", "FIRE and METER are both at"),
        ("devices.4.container", "C9", "devices[4].container = 'C9'", "no converter is in it"),
        ("devices.4.tag", "BX-S1", "devices[4].tag = 'BX-S1'", "e.g. tag = 'C1-BX-S1'"),
        ("devices.5.tag", "C2-R02", "devices[5].tag = 'C2-R02'", "e.g. tag = 'C1-R02'"),
        ("devices.3.container", "", "devices[3].tag = 'C1-IMD'", "add container = 'C1', or take"),
        ("devices.3.container", "BX", "devices[3].container = 'BX'", "letters and a number"),
        ("devices.1.tag", "METER", "devices[1].tag = 'METER'", "is used twice"),
        ("devices.1.role", "toaster", "devices[1].role = 'toaster'", "'pcs'"),
        ("safe_state.power_kw", 9999, "safe_state.power_kw = 9999", "beyond station.rated"),
    ],
)
def test_a_wrong_value_names_file_key_value_and_remedy(tmp_path, path, value, key, words):
    file = written(tmp_path, changed(path, value))

    with pytest.raises(ConfigError) as refusal:
        load(file)

    text = str(refusal.value)
    assert text.startswith(f"{file}: {key}")
    assert words in text


def faults(tmp_path, document: dict) -> list[str]:
    file = written(tmp_path, document)
    with pytest.raises(ConfigError) as refusal:
        load(file)
    lines = str(refusal.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def test_every_wrong_value_is_told_with_its_place_and_remedy(tmp_path):
    document = site_document("data", control={"feedbak_gain": 1})
    document["station"] |= {"rated_power_kw": -5, "timezone": "Mars/Olympus"}
    document["devices"][0]["port"] = 70_000
    del document["cloud"]["url"]
    del document["devices"][2]["rated_kw"], document["devices"][2]["container"]

    told = faults(tmp_path, document)

    assert told == [
        "station.timezone = 'Mars/Olympus': is no IANA time zone; write one like 'Asia/Shanghai'",
        "station.rated_power_kw = -5: must be above 0",
        "devices[0].port = 70000: must be at most 65535",
        "devices[2]: pcs C1-PCS needs rated_kw and container, e.g. container = 'C1'",
        "cloud.url: is missing",
        (
            "control.feedbak_gain = 1: unknown key; did you mean 'feedback_gain'? remove it or "
            "mend its spelling"
        ),
    ]


def test_everything_that_does_not_fit_together_is_told(tmp_path):
    document = site_document("data", 2, safe_state={"power_kw": -9999})
    tags = [device["tag"] for device in document["devices"]]
    second, rack = tags.index("C2-PCS"), tags.index("C1-R02")
    document["devices"][second]["container"] = "C1"
    document["devices"][rack] |= {"tag": "C1-R01", "container": "C7"}
    document["devices"][1]["port"] = document["devices"][0]["port"]

    told = faults(tmp_path, document)

    assert [line.split(" = ")[0] for line in told] == [
        "devices[1].port",
        f"devices[{rack}].tag",
        f"devices[{second}].container",
        f"devices[{rack}].container",
        *(f"devices[{tags.index(tag)}].container" for tag in ("C2-R01", "C2-R02")),
        f"devices[{rack}].tag",
        f"devices[{second}].tag",
        "safe_state.power_kw",
    ]


def test_a_converter_without_rating_and_a_file_that_is_no_toml_are_refused(tmp_path):
    document = site_document("data")
    del document["devices"][2]["rated_kw"]
    with pytest.raises(ConfigError, match="C1-PCS needs rated_kw"):
        load(written(tmp_path, document))

    (tmp_path / "bad.toml").write_text("[station")
    with pytest.raises(ConfigError, match="is no TOML"):
        load(tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [('data_dir = "d"\n[edge]\nport = 1', "of a cloud"), ("[plant]\nracks = 1", "of a plant")],
)
def test_the_file_of_another_tier_is_called_so(tmp_path, text, words):
    (tmp_path / "other.toml").write_text(text)

    with pytest.raises(ConfigError, match=words):
        load(tmp_path / "other.toml")
