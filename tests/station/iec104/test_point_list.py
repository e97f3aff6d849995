"""The point list: what it holds, and how a wrong one is refused."""

import tomllib

import pytest
import tomli_w

from station.config import ConfigError
from station.iec104.point_list import SHIPPED, SHOWN, Command, load_points

DEVICES = {"C1-R01": "rack", "METER": "meter"}


def document() -> dict:
    text = (SHIPPED / "dispatch-centre.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def written(tmp_path, changed: dict) -> str:
    file = tmp_path / "points.toml"
    file.write_bytes(tomli_w.dumps(changed).encode())
    return str(file)


def test_the_list_that_ships_is_right_and_has_every_command():
    found = load_points("dispatch-centre.toml", {})

    assert {point.signal for point in found.controls.values()} == set(Command)
    assert {point.signal for point in found.monitored} <= set(SHOWN)
    assert found.controls[24577].select


def test_a_signal_of_a_device_is_taken_from_its_layout(tmp_path):
    changed = document()
    changed["points"].append(
        {"ioa": 9, "type": "M_ME_NC_1", "direction": "monitor", "device": "C1-R01", "signal": "soh"}
    )

    assert load_points(written(tmp_path, changed), DEVICES).monitored[-1].device == "C1-R01"


@pytest.mark.parametrize(
    ("number", "changes", "key", "remedy"),
    [
        (0, {"type": "M_XX_NA_1"}, r"points\[0\]", "choose one of M_SP_NA_1"),
        (0, {"signal": "pwer_kw"}, r"points\[0\]", "choose one of power_kw"),
        (0, {"ioa": 16386}, r"points\[0\]\.ioa = 16386", "give each its own"),
        (0, {"ioa": 0}, r"points\[0\].*ioa = 0", "must be at least 1"),
        (0, {"scale": 0.0}, r"points\[0\]", "a scale of 0"),
        (0, {"deadbnd": 1}, r"points\[0\].*deadbnd", "mend its spelling"),
        (0, {"direction": "both"}, r"points\[0\]", "'monitor', 'control'"),
        (0, {"device": "C9", "signal": "soc"}, r"points\[0\]\.device = 'C9'", "it has: C1-R01"),
        (0, {"device": "METER", "signal": "soc"}, r"points\[0\]\.signal = 'soc'", "choose one of"),
        (15, {"type": "C_SE_NC_1"}, r"points\[15\]", "take a type like C_SC_NA_1"),
        (17, {"type": "C_SC_NA_1"}, r"points\[17\]", "take a type like C_SE_NC_1"),
        (17, {"low": 5.0, "high": 1.0}, r"points\[17\]", "low must be below high"),
        (17, {"signal": "reactive_kvar"}, r"points\[18\]\.signal", "keep one of them"),
        (19, {"signal": "enable", "type": "C_SC_NA_1"}, "points", "sign_of_life = 'link'"),
    ],
)
def test_a_wrong_point_is_refused_naming_file_key_and_remedy(
    tmp_path, number, changes, key, remedy
):
    changed = document()
    changed["points"][number] |= changes

    with pytest.raises(ConfigError) as error:
        load_points(written(tmp_path, changed), DEVICES)

    error.match(f"points.toml: {key}")
    error.match(remedy)


def test_a_list_that_is_not_there_is_refused_naming_those_that_ship():
    with pytest.raises(ConfigError, match=r"nowhere\.toml.*shipped are: dispatch-centre\.toml"):
        load_points("nowhere.toml", {})


def test_a_wrong_time_zone_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"timezone = 'Mars/Olympus'.*'Asia/Shanghai'"):
        load_points(written(tmp_path, {**document(), "timezone": "Mars/Olympus"}), {})
