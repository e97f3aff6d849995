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


def test_a_profile_that_ships_with_the_station_keeps_its_bare_name(tmp_path):
    config = load(written(tmp_path, site_document("data")))

    assert config.devices[0].profile == "p.toml"


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
        ("station.rated_power_kw", -5, "station.rated_power_kw = -5", "greater than 0"),
        ("station.rated_power_kw", "much", "station.rated_power_kw = 'much'", "valid number"),
        ("station.timezone", "Mars/Olympus", "station.timezone = 'Mars/Olympus'", "IANA"),
        ("station.soc_max", 0.01, "station", "soc_max; they are 0.05 and 0.01"),
        ("station.id", "a b", "station.id = 'a b'", "pattern"),
        ("control.feedbak_gain", 1, "control.feedbak_gain = 1", "mend its spelling"),
        ("cloud.url", "http://127.0.0.1", "cloud.url", "pattern"),
        ("devices.2.rated_kw", 0, "devices[2].rated_kw = 0", "greater than 0"),
        ("devices.1.port", 1502, "devices[1].port = 1502", "FIRE and METER are both at"),
        ("devices.4.container", "C9", "(file)", "no converter in container 'C9'"),
        ("devices.1.tag", "METER", "(file)", "'METER' is used twice"),
        ("devices.1.role", "toaster", "devices[1].role = 'toaster'", "'pcs'"),
        ("safe_state.power_kw", 9999, "(file)", "beyond station.rated_power_kw"),
    ],
)
def test_a_wrong_value_names_file_key_value_and_remedy(tmp_path, path, value, key, words):
    file = written(tmp_path, changed(path, value))

    with pytest.raises(ConfigError) as refusal:
        load(file)

    text = str(refusal.value)
    assert text.startswith(f"{file}: {key}")
    assert words in text


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
