import math
from pathlib import Path

import pytest

from cloud.market.battery import read_battery
from cloud.market.errors import BadBattery

GOOD = "charge_mw = 1\ndischarge_mw = 1\nenergy_mwh = 2\nround_trip_efficiency = 0.86\n"


def _file(folder: Path, text: str) -> Path:
    file = folder / "battery.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_round_trip_efficiency_is_shared_by_both_directions(tmp_path: Path):
    battery = read_battery(_file(tmp_path, GOOD + "wear_per_mwh = 8\n"))

    assert battery.charge_efficiency == battery.discharge_efficiency == math.sqrt(0.86)
    assert battery.round_trip == pytest.approx(0.86)
    assert battery.usable_mwh == 2.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("energy_mwh = 2", "energy_mwh = 0"), "energy_mwh"),
        (GOOD + "colour = 1\n", "colour"),
        (GOOD + "charge_efficiency = 0.9\ndischarge_efficiency = 0.9\n", "or both"),
        ("charge_mw = 1\ndischarge_mw = 1\nenergy_mwh = 2\n", "or both"),
        (GOOD + "soc_min = 0.5\nsoc_max = 0.4\n", "soc_min = 0.5"),
        (GOOD + "soc_min = 0.1\n", "soc = 0.0"),
        ("charge_mw =", "not a TOML file"),
    ],
)
def test_a_wrong_file_is_refused_by_name_of_file_and_key(tmp_path: Path, text: str, words: str):
    file = _file(tmp_path, text)

    with pytest.raises(BadBattery) as refused:
        read_battery(file)

    assert str(file) in str(refused.value)
    assert words in str(refused.value)


def test_all_faults_of_a_file_are_told_a_misspelt_key_before_what_is_missing(tmp_path: Path):
    text = GOOD.replace("energy_mwh", "energy").replace("0.86", "86")

    with pytest.raises(BadBattery) as refused:
        read_battery(_file(tmp_path, text))

    told = str(refused.value)
    assert "round_trip_efficiency: Input should be less than or equal to 1; energy: there" in told
    assert told.endswith("energy: there is no such key; energy_mwh: is missing")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(BadBattery, match="name a readable TOML file"):
        read_battery(tmp_path / "none.toml")
