"""What the demo's station knows of its cells when it begins."""

import tomli_w

from launcher.known_cells import keep_known_soc
from station.estimation.keeping import recall
from tests.station.estimation.plant_site import BUNDLE
from tests.station.site import site_document


def station(tmp_path, *, estimators: bool):
    sections = {"estimators": {"bundle": str(BUNDLE)}} if estimators else {}
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(site_document(tmp_path / "data", **sections)).encode())
    return file


def test_the_state_is_of_the_stations_racks(tmp_path):
    scenario = tmp_path / "even.toml"
    scenario.write_text("[start]\nsoc = 0.7\n")

    file = keep_known_soc(station(tmp_path, estimators=True), scenario)

    assert file is not None
    (group,) = recall(file).groups
    assert group.racks == ("C1-R01", "C1-R02")


def test_an_uneven_plant_is_searched_and_a_station_without_estimators_keeps_nothing(tmp_path):
    scenario = tmp_path / "uneven.toml"
    scenario.write_text("[start]\nrack_soc_spread = 0.1\n")

    assert keep_known_soc(station(tmp_path, estimators=True), scenario) is None
    scenario.write_text("")
    assert keep_known_soc(station(tmp_path, estimators=False), scenario) is None
